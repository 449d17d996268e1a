// Subscribes and publishes with MQTT.js, and prints what it was told and what it was sent.
//
// Argument: JSON with port, version (protocol level), id, subscribe (filters), publish (objects with topic, payload in
// hex, retain, properties: pairs), messages (how many to await). Prints `subscribed`, then `code N` for each message
// published at QoS 1, then a line of JSON for each message that came.

import mqtt from "mqtt";

const given = JSON.parse(process.argv[2]);
const five = given.version === 5;

const carried = (pairs) => {
  const found = {};
  for (const [name, value] of pairs) found[name] = name in found ? [found[name], value].flat() : value;
  return { userProperties: found };
};
const pairs = (found) =>
  Object.entries(found ?? {}).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));

const client = mqtt.connect(`mqtt://127.0.0.1:${given.port}`, {
  protocolVersion: given.version,
  protocolId: given.version === 3 ? "MQIsdp" : "MQTT",
  clientId: given.id,
  reconnectPeriod: 0,
});
client.on("error", (error) => {
  console.log(`error ${error.message}`);
  process.exit(1);
});
let left = given.messages;
const came = new Promise((resolve) => {
  if (left === 0) resolve();
  client.on("message", (topic, payload, packet) => {
    const properties = pairs(packet.properties?.userProperties);
    setImmediate(() => {
      console.log(JSON.stringify({ topic, payload: payload.toString("hex"), properties }));
      if (--left === 0) resolve();
    });
  });
});
await new Promise((resolve) => client.once("connect", resolve));
for (const filter of given.subscribe) await client.subscribeAsync(filter, { qos: 1 });
console.log("subscribed");
for (const { topic, payload, retain, properties } of given.publish) {
  const options = { qos: 1, retain, ...(five && properties.length > 0 ? { properties: carried(properties) } : {}) };
  const code = await new Promise((resolve) =>
    client.publish(topic, Buffer.from(payload, "hex"), options, (error, packet) =>
      resolve(error?.code ?? packet?.reasonCode ?? 0),
    ),
  );
  console.log(`code ${code}`);
}
await came;
await client.endAsync();
