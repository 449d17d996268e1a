// Plays every scenario with MQTT.js and prints what each client saw, a line of JSON per scenario.
//
// Argument: JSON with host, port, transport (tcp | websockets), tls (null, or ca, certificate, key), log (Mosquitto's
// log file, to know that it has noticed something), versions (protocol levels).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";

const PATIENCE_MS = 30_000;
const given = JSON.parse(process.argv[2]);
const scheme = given.transport === "websockets" ? (given.tls ? "wss" : "ws") : given.tls ? "mqtts" : "mqtt";
const host = given.host.includes(":") ? `[${given.host}]` : given.host;
const address = `${scheme}://${host}:${given.port}${given.transport === "websockets" ? "/mqtt" : ""}`;
const tls = given.tls && {
  ca: readFileSync(given.tls.ca),
  cert: readFileSync(given.tls.certificate),
  key: readFileSync(given.tls.key),
  servername: "localhost",
};

const shown = (payload) =>
  payload.length > 64
    ? `${payload.length} bytes, ${createHash("sha256").update(payload).digest("hex").slice(0, 16)}`
    : payload.toString("hex");

const properties = (found) => {
  const facts = { ...found };
  if (facts.assignedClientIdentifier) facts.assignedClientIdentifier = `${facts.assignedClientIdentifier.length} characters`;
  // Whether a second has passed on the way is chance.
  if (facts.messageExpiryInterval > 3590) facts.messageExpiryInterval = "about an hour";
  if (facts.correlationData) facts.correlationData = facts.correlationData.toString("hex");
  return facts;
};

class Queue {
  items = [];
  waiting = [];
  push(item) {
    const next = this.waiting.shift();
    if (next) next(item);
    else this.items.push(item);
  }
  pull(what) {
    if (this.items.length > 0) return Promise.resolve(this.items.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeoutRejecting(reject, what);
      this.waiting.push((item) => (clearTimeout(timer), resolve(item)));
    });
  }
}

const setTimeoutRejecting = (reject, what) =>
  globalThis.setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE_MS);

class Client {
  seen = [];
  acks = [];
  messages = new Queue();
  ends = new Queue();

  static async enter(stage, name, options = {}) {
    const client = new Client();
    client.stage = stage;
    client.name = name;
    client.id = options.clientId ?? `${name}-${stage.version}`;
    stage.clients.push(client);
    const { keep, properties: asked, ...more } = options;
    const five = stage.version === 5;
    const expiry = five && keep ? { sessionExpiryInterval: 3600 } : {};
    client.mqtt = mqtt.connect(address, {
      protocolVersion: stage.version,
      protocolId: stage.version === 3 ? "MQIsdp" : "MQTT",
      clientId: client.id,
      clean: !keep,
      reconnectPeriod: 0,
      resubscribe: false,
      ...(five ? { properties: { ...expiry, ...asked } } : {}),
      ...(tls ?? {}),
      ...more,
    });
    client.mqtt.on("message", (topic, payload, packet) => {
      client.seen.push(["message", topic, packet.qos, packet.retain, shown(payload), properties(packet.properties)]);
      client.messages.push({ topic, payload, packet });
    });
    client.mqtt.on("disconnect", (packet) => {
      // The one thing that the gateway adds is server busy (0x89), when the broker is gone.
      if (packet.reasonCode !== 0x89) client.seen.push(["disconnect", packet.reasonCode, properties(packet.properties)]);
    });
    client.mqtt.on("close", () => client.ends.push("closed"));
    await new Promise((resolve, reject) => {
      const timer = setTimeoutRejecting(reject, `${client.id} to be accepted`);
      client.mqtt.on("error", reject);
      client.mqtt.once("connect", (connack) => {
        clearTimeout(timer);
        client.seen.push(["connected", connack.sessionPresent, connack.reasonCode ?? connack.returnCode, properties(connack.properties)]);
        resolve();
      });
    });
    client.mqtt.stream.setNoDelay?.(true);
    client.mqtt.removeAllListeners("error");
    client.mqtt.on("error", (error) => client.seen.push(["error", error.message]));
    return client;
  }

  async subscribe(filters, options = {}) {
    const granted = await new Promise((resolve, reject) =>
      this.mqtt.subscribe(filters, options, (error, granted, packet) => (error ? reject(error) : resolve(packet ?? granted))),
    );
    this.acks.push(["subscribed", granted.granted ?? granted.map((one) => one.qos), properties(granted.properties)]);
  }

  async unsubscribe(filters) {
    const packet = await new Promise((resolve, reject) =>
      this.mqtt.unsubscribe(filters, {}, (error, packet) => (error ? reject(error) : resolve(packet))),
    );
    this.acks.push(["unsubscribed", packet?.granted ?? null]);
  }

  async publish(topic, payload, qos, options = {}) {
    const packet = await new Promise((resolve) =>
      this.mqtt.publish(topic, payload, { qos, ...options }, (error, packet) => resolve(error ? { error: error.code } : packet)),
    );
    this.acks.push(["published", packet?.error ?? packet?.reasonCode ?? 0]);
  }

  message() {
    return this.messages.pull(`a message for ${this.id}`);
  }

  /// A message to oneself comes next: nothing is under way before it.
  async nothingMore() {
    const topic = `marker/${this.name}`;
    await this.subscribe(topic, { qos: 1 });
    await this.publish(topic, "marker", 1);
    const { topic: came } = await this.message();
    assert.equal(came, topic, JSON.stringify(this.seen));
    await this.unsubscribe(topic);
  }

  leave(options = {}) {
    return this.stage.untilMissed(this.id, () => this.mqtt.end(false, options));
  }

  vanish() {
    return this.stage.untilMissed(this.id, () => this.mqtt.stream.destroy());
  }
}

class Stage {
  clients = [];
  constructor(version) {
    this.version = version;
  }

  enter(name, options) {
    return Client.enter(this, name, options);
  }

  /// Does something and waits until Mosquitto says that this client is gone.
  async untilMissed(id, act) {
    const missed = () =>
      readFileSync(given.log, "utf8")
        .split("\n")
        .filter((line) => line.startsWith(`Client ${id} `) && !line.includes("negotiated")).length;
    const before = missed();
    act();
    const until = Date.now() + PATIENCE_MS;
    while (missed() === before) {
      assert.ok(Date.now() < until, `Mosquitto does not miss ${id}`);
      await sleep(10);
    }
  }
}

const scenarios = {
  async qosMatrix(stage) {
    const publisher = await stage.enter("qos-p");
    for (const granted of [0, 1, 2]) {
      const subscriber = await stage.enter(`qos-s${granted}`);
      await subscriber.subscribe({ "qos/+": { qos: granted }, "never/+": { qos: 2 - granted } });
      for (const qos of [0, 1, 2]) {
        await publisher.publish("qos/a", Buffer.from([qos, 0, 255]), qos);
        assert.equal((await subscriber.message()).packet.qos, Math.min(qos, granted));
      }
      await subscriber.unsubscribe(["qos/+", "not/subscribed"]);
      await publisher.publish("qos/a", "to nobody", 2);
      await subscriber.nothingMore();
    }
  },

  async retained(stage) {
    const topic = `retained/${stage.version}`;
    const publisher = await stage.enter("ret-p");
    await publisher.publish(topic, "kept", 2, { retain: true });
    const late = await stage.enter("ret-s");
    await late.subscribe(topic, { qos: 1 });
    assert.ok((await late.message()).packet.retain);
    await publisher.publish(topic, "", 1, { retain: true });
    assert.ok(!(await late.message()).packet.retain);
    const later = await stage.enter("ret-t");
    await later.subscribe(topic, { qos: 1 });
    await later.nothingMore();
  },

  async will(stage) {
    const watcher = await stage.enter("will-w");
    await watcher.subscribe("will/#", { qos: 2 });
    for (const qos of [0, 1, 2]) {
      const told = stage.version === 5 ? { properties: { contentType: "text/plain", userProperties: { a: ["b", "c"] } } } : {};
      const dying = await stage.enter(`will-${qos}`, { will: { topic: `will/${qos}`, payload: Buffer.from("gone"), qos, retain: false, ...told } });
      await dying.vanish();
      assert.equal(String((await watcher.message()).payload), "gone");
    }
    const calm = await stage.enter("will-calm", { will: { topic: "will/calm", payload: Buffer.from("never"), qos: 1, retain: false } });
    await calm.leave();
    await watcher.nothingMore();
  },

  async offline(stage) {
    const away = await stage.enter("off", { keep: true });
    await away.subscribe("offline/#", { qos: 2 });
    await away.leave();
    const publisher = await stage.enter("off-p");
    for (let number = 0; number < 6; number++) await publisher.publish(`offline/${number}`, Buffer.from([number]), 1 + (number % 2));
    const back = await stage.enter("off", { keep: true });
    const came = [];
    for (let number = 0; number < 6; number++) came.push((await back.message()).payload[0]);
    assert.deepEqual(came.sort(), [0, 1, 2, 3, 4, 5]);
    await back.nothingMore();
  },

  async takeover(stage) {
    const clientId = `take-${stage.version}`;
    const first = await stage.enter("take", { keep: true, clientId });
    await first.subscribe("take/over", { qos: 1 });
    const second = await stage.enter("take-2", { keep: true, clientId });
    await first.ends.pull("the end of the first");
    const publisher = await stage.enter("take-p");
    await publisher.publish("take/over", "to the second", 1);
    await second.message();
    await second.nothingMore();
  },

  async everyProperty(stage) {
    if (stage.version !== 5) return;
    const subscriber = await stage.enter("prop-s");
    await subscriber.subscribe("prop/#", { qos: 2, properties: { subscriptionIdentifier: 268_435_455, userProperties: { on: "subscribe" } } });
    const publisher = await stage.enter("prop-p", {
      properties: { userProperties: { k: "v" }, requestResponseInformation: true, requestProblemInformation: false, receiveMaximum: 9, maximumPacketSize: 100_000 },
    });
    for (const qos of [0, 1, 2]) {
      await publisher.publish("prop/größe", "größe", qos, {
        properties: {
          payloadFormatIndicator: true, contentType: "text/plain", responseTopic: "prop/answers", correlationData: Buffer.from([0, 255]),
          messageExpiryInterval: 3600, userProperties: { key: ["first", "second"], "": "" },
        },
      });
      await subscriber.message();
    }
    await publisher.publish("nobody/listens", "", 1);
  },

  async aliases(stage) {
    if (stage.version !== 5) return;
    const subscriber = await stage.enter("alias-s");
    await subscriber.subscribe("alias/#", { qos: 2 });
    // Assigned by the client's own book-keeping, more topics than aliases.
    const publisher = await stage.enter("alias-p", { autoAssignTopicAlias: true });
    for (let number = 0; number < 30; number++) {
      await publisher.publish(`alias/${number % 12}`, Buffer.from([number]), number % 3);
      assert.equal((await subscriber.message()).topic, `alias/${number % 12}`);
    }
  },

  async shared(stage) {
    const members = [];
    for (const name of ["a", "b", "c"]) {
      const member = await stage.enter(`shared-${name}`);
      await member.subscribe("$share/group/shared/#", { qos: 1 });
      members.push(member);
    }
    const publisher = await stage.enter("shared-p");
    for (let number = 0; number < 6; number++) await publisher.publish("shared/a", Buffer.from([number]), 1);
    const came = [];
    for (const member of members) {
      for (let number = 0; number < 2; number++) came.push((await member.message()).payload[0]);
      await member.nothingMore();
    }
    assert.deepEqual(came.sort(), [0, 1, 2, 3, 4, 5]);
  },

  async requestResponse(stage) {
    if (stage.version !== 5) return;
    const [answerer, asker] = [await stage.enter("rr-a"), await stage.enter("rr-q")];
    await answerer.subscribe("rr/service", { qos: 1 });
    await asker.subscribe("rr/answers/rr-q", { qos: 1 });
    for (let number = 0; number < 3; number++) {
      await asker.publish("rr/service", "?", 1, { properties: { responseTopic: "rr/answers/rr-q", correlationData: Buffer.from([number]) } });
      const { responseTopic, correlationData } = (await answerer.message()).packet.properties;
      await answerer.publish(responseTopic, "!", 1, { properties: { correlationData } });
      assert.equal((await asker.message()).packet.properties.correlationData[0], number);
    }
  },

  async flowControl(stage) {
    if (stage.version !== 5) return;
    const subscriber = await stage.enter("flow", { properties: { receiveMaximum: 1 } });
    await subscriber.subscribe("flow/#", { qos: 2 });
    const publisher = await stage.enter("flow-p");
    const sent = [];
    for (let number = 0; number < 20; number++) sent.push(publisher.publish("flow/a", Buffer.from([number]), 2));
    await Promise.all(sent);
    for (let number = 0; number < 20; number++) assert.equal((await subscriber.message()).payload[0], number);
  },

  async megabyte(stage) {
    const [subscriber, publisher] = [await stage.enter("large-s"), await stage.enter("large-p")];
    await subscriber.subscribe("large/#", { qos: 2 });
    const binary = Buffer.from(Array.from({ length: 1_048_576 }, (_, at) => (at * 7919) % 251));
    const text = Buffer.from("größer als ein Megabyte, ".repeat(45_000));
    for (const payload of [binary, text]) {
      for (const qos of [0, 1, 2]) {
        const told = stage.version === 5 && payload === text ? { properties: { payloadFormatIndicator: true } } : {};
        await publisher.publish("large/a", payload, qos, told);
        assert.ok((await subscriber.message()).payload.equals(payload));
      }
    }
  },

  async thousandFilters(stage) {
    const [client, publisher] = [await stage.enter("many"), await stage.enter("many-p")];
    const names = Array.from({ length: 1000 }, (_, number) => `many/${number}/+/#`);
    await client.subscribe(Object.fromEntries(names.map((name, number) => [name, { qos: number % 3 }])));
    await publisher.publish("many/998/a/b", "found", 2);
    await client.message();
    await client.unsubscribe(names);
    await publisher.publish("many/998/a/b", "to nobody", 2);
    await client.nothingMore();
  },

  async login(stage) {
    const client = await stage.enter("login", { username: "nämé", password: Buffer.from("p\u00e4ss") });
    await client.leave();
    assert.ok(readFileSync(given.log, "utf8").includes("u'nämé'"));
  },
};

for (const version of given.versions) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    const stage = new Stage(version);
    try {
      await scenario(stage);
    } catch (error) {
      console.error(JSON.stringify(stage.clients.map((client) => [client.name, client.seen])));
      console.error(`${name}, protocol level ${version}: ${error.stack}`);
      process.exit(1);
    }
    const seen = stage.clients.flatMap((client) => [...client.seen, ...client.acks].map((fact) => `${client.name}: ${JSON.stringify(fact)}`));
    console.log(JSON.stringify({ scenario: `${name}, protocol level ${version}`, seen }));
    for (const client of stage.clients) client.mqtt.end(true);
  }
}
process.exit(0);
