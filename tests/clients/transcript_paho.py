"""Plays every scenario with the Eclipse Paho client and prints what each client saw, a line of JSON per scenario.

Arguments: JSON with host, port, transport (tcp | websockets), tls (null, or ca, certificate, key), log (Mosquitto's
log file, to know that it has noticed something), versions (protocol levels).
"""

import hashlib
import json
import queue
import socket
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 30
LEVELS = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}
arguments = json.loads(sys.argv[1])


def shown(payload):
    if len(payload) > 64:
        return f"{len(payload)} bytes, {hashlib.sha256(payload).hexdigest()[:16]}"
    return payload.hex()


def props(properties):
    if properties is None or properties.isEmpty():
        return {}
    found = {}
    for name, value in sorted(properties.json().items()):
        # Whether a second has passed on the way is chance.
        found[name] = "about an hour" if name == "MessageExpiryInterval" and 3590 < value <= 3600 else value
    if "AssignedClientIdentifier" in found:
        found["AssignedClientIdentifier"] = f"{len(found['AssignedClientIdentifier'])} characters"
    return found


def code(reason):
    return reason.value if hasattr(reason, "value") else int(reason)


def properties(kind, **values):
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """One client; what happens to it is noted in `seen`, in its order, and the ends of its publishes in `acks`."""

    def __init__(self, stage, name, clean=True, expiry=0, will=None, will_properties=None, login=None, connect=None,
                 client_id=None, keepalive=60):
        self.stage, self.name, self.seen, self.acks = stage, name, [], []
        stage.clients.append(self)
        self.five = stage.version == 5
        self.done, self.messages, self.mids = queue.Queue(), queue.Queue(), {}
        identifier = f"{name}-{stage.version}" if client_id is None else client_id
        more = {} if self.five else {"clean_session": clean}
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=identifier,
                                protocol=LEVELS[stage.version], transport=arguments["transport"],
                                reconnect_on_failure=False, **more)
        if arguments["tls"]:
            tls = arguments["tls"]
            self.mqtt.tls_set(ca_certs=tls["ca"], certfile=tls["certificate"], keyfile=tls["key"])
        if arguments["transport"] == "websockets":
            self.mqtt.ws_set_options(path="/mqtt")
        if will:
            self.mqtt.will_set(*will, **({"properties": will_properties} if self.five else {}))
        if login:
            self.mqtt.username_pw_set(*login)
        self.mqtt.on_socket_open = lambda c, u, s: getattr(s, "_socket", s).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.mqtt.on_connect = self.on_connect
        self.mqtt.on_disconnect = self.on_disconnect
        self.mqtt.on_subscribe = lambda c, u, mid, codes, p: self.note("subscribed", [code(x) for x in codes], props(p))
        self.mqtt.on_unsubscribe = lambda c, u, mid, codes, p: self.note("unsubscribed", [code(x) for x in codes], props(p))
        self.mqtt.on_publish = self.on_publish
        self.mqtt.on_message = self.on_message
        given = {}
        if self.five:
            asked = {"SessionExpiryInterval": expiry} if expiry else {}
            asked.update(connect or {})
            given = {"clean_start": clean, "properties": properties(PacketTypes.CONNECT, **asked)}
        self.mqtt.connect(arguments["host"], arguments["port"], keepalive=keepalive, **given)
        self.mqtt.loop_start()
        self.wait("connected")

    def note(self, kind, *facts):
        self.seen.append([kind, *facts])
        self.done.put(kind)

    def on_connect(self, client, data, flags, reason, properties):
        self.note("connected", bool(flags.session_present), code(reason), props(properties))

    def on_disconnect(self, client, data, flags, reason, properties):
        # In 3.x the reason is Paho's own guess at what the socket did.
        # The one thing that the gateway adds is server busy (0x89) in 5.0, when the broker is gone; of a DISCONNECT
        # without properties Paho reads no reason.
        told = flags.is_disconnect_packet_from_server and code(reason) not in (0, 0x89)
        self.note("disconnected", told, code(reason) if told else None, props(properties) if told else {})

    def on_publish(self, client, data, mid, reason, properties):
        self.done.put(("published", mid, code(reason), props(properties)))

    def on_message(self, client, data, message):
        fact = [message.topic, message.qos, message.retain, shown(message.payload), props(message.properties)]
        self.seen.append(["message", *fact])
        self.messages.put(message)

    def wait(self, kind):
        found = self.done.get(timeout=PATIENCE)
        assert (found if isinstance(found, str) else found[0]) == kind, f"{self.name}: {kind} was due, came {found}"
        return found

    def subscribe(self, *filters):
        assert self.mqtt.subscribe(list(filters))[0] == 0
        self.wait("subscribed")

    def subscribe5(self, filters, **values):
        assert self.mqtt.subscribe(filters, properties=properties(PacketTypes.SUBSCRIBE, **values))[0] == 0
        self.wait("subscribed")

    def unsubscribe(self, *filters):
        assert self.mqtt.unsubscribe(list(filters))[0] == 0
        self.wait("unsubscribed")

    def publish(self, topic, payload, qos, retain=False, **values):
        self.publish_only(topic, payload, qos, retain, **values)
        self.published()

    def publish_only(self, topic, payload, qos, retain=False, **values):
        more = {"properties": properties(PacketTypes.PUBLISH, **values)} if self.five and values else {}
        assert self.mqtt.publish(topic, payload, qos, retain, **more).rc == 0

    def published(self):
        _, _, reason, properties = self.wait("published")
        self.acks.append(["published", reason, properties])

    def message(self):
        return self.messages.get(timeout=PATIENCE)

    def nothing_more(self):
        """A message to oneself comes next: nothing is under way before it."""
        topic = f"marker/{self.name}"
        self.subscribe((topic, 1))
        self.publish(topic, b"marker", 1)
        assert self.message().topic == topic, f"{self.name}: {self.seen[-3:]}"
        self.unsubscribe(topic)

    def leave(self, **values):
        more = {"properties": properties(PacketTypes.DISCONNECT, **values)} if values else {}
        self.stage.until_missed(self.mqtt._client_id.decode(), lambda: self.mqtt.disconnect(**more))
        self.mqtt.loop_stop()

    def vanish(self):
        """As a killed process does: the socket ends without DISCONNECT, and under TLS without close_notify."""
        found = self.mqtt.socket()
        raw = getattr(found, "_socket", found)
        self.mqtt._thread_terminate = True
        gone = lambda: socket.socket.shutdown(raw, socket.SHUT_RDWR)
        self.stage.until_missed(self.mqtt._client_id.decode(), gone)


class Stage:
    def __init__(self, version):
        self.version, self.clients = version, []

    def until_missed(self, client_id, act):
        """Does something and waits until Mosquitto says that this client is gone."""
        def missed():
            with open(arguments["log"], encoding="utf-8", errors="replace") as log:
                return sum(1 for line in log if line.startswith(f"Client {client_id} ") and "negotiated" not in line)

        before = missed()
        act()
        until = time.monotonic() + PATIENCE
        while missed() == before:
            assert time.monotonic() < until, f"Mosquitto does not miss {client_id}"
            time.sleep(0.01)

    def end(self):
        for client in self.clients:
            client.mqtt._on_disconnect = None
            client.mqtt.disconnect()
            client.mqtt.loop_stop()


def qos_matrix(stage):
    publisher = Client(stage, "qos-p")
    for granted in (0, 1, 2):
        subscriber = Client(stage, f"qos-s{granted}")
        subscriber.subscribe(("qos/+", granted), ("never/+", 2 - granted))
        for qos in (0, 1, 2):
            publisher.publish("qos/a", bytes([qos, 0, 255]), qos)
            assert subscriber.message().qos == min(qos, granted)
        subscriber.unsubscribe("qos/+", "not/subscribed")
        publisher.publish("qos/a", b"to nobody", 2)
        subscriber.nothing_more()


def retained(stage):
    publisher = Client(stage, "ret-p")
    topic = f"retained/{stage.version}"
    publisher.publish(topic, b"kept", 2, True)
    late = Client(stage, "ret-s")
    late.subscribe((topic, 1))
    assert late.message().retain
    publisher.publish(topic, b"", 1, True)
    assert not late.message().retain
    later = Client(stage, "ret-t")
    later.subscribe((topic, 1))
    later.nothing_more()


def will(stage):
    watcher = Client(stage, "will-w")
    watcher.subscribe(("will/#", 2))
    for qos in (0, 1, 2):
        told = properties(PacketTypes.WILLMESSAGE, ContentType="text/plain", UserProperty=[("a", "b"), ("a", "c")])
        dying = Client(stage, f"will-{qos}", will=(f"will/{qos}", b"gone", qos, False), will_properties=told)
        dying.vanish()
        assert watcher.message().payload == b"gone"
    calm = Client(stage, "will-calm", will=("will/calm", b"never", 1, False))
    calm.leave()
    watcher.nothing_more()


def will_after_all(stage):
    if stage.version != 5:
        return
    watcher = Client(stage, "wd-w")
    watcher.subscribe(("wd/#", 2))
    leaving = Client(stage, "wd", will=("wd/will", b"after all", 2, False))
    from paho.mqtt.reasoncodes import ReasonCode
    wanted = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")
    stage.until_missed("wd-5", lambda: leaving.mqtt.disconnect(reasoncode=wanted))
    assert watcher.message().payload == b"after all"


def offline(stage):
    keep = {"clean": False, "expiry": 3600}
    away = Client(stage, "off", **keep)
    away.subscribe(("offline/#", 2))
    away.leave()
    publisher = Client(stage, "off-p")
    for number in range(6):
        publisher.publish(f"offline/{number}", bytes([number]), 1 + number % 2)
    back = Client(stage, "off", **keep)
    # Those of QoS 2 are handed over when their PUBREL comes: after the others.
    assert [back.message().payload[0] for number in range(6)] == [0, 2, 4, 1, 3, 5]
    # The CONNACK of 3.1 does not tell.
    assert back.seen[0][1] == (stage.version != 3), "the session was kept"
    back.nothing_more()
    back.leave()
    fresh = Client(stage, "off", clean=True)
    publisher.publish("offline/0", b"to nobody", 1)
    fresh.nothing_more()


def takeover(stage):
    first = Client(stage, "take", clean=False, expiry=3600, client_id=f"take-{stage.version}")
    first.subscribe(("take/over", 1))
    second = Client(stage, "take-2", clean=False, expiry=3600, client_id=f"take-{stage.version}")
    first.wait("disconnected")
    publisher = Client(stage, "take-p")
    publisher.publish("take/over", b"to the second", 1)
    second.message()
    second.nothing_more()


def every_property(stage):
    if stage.version != 5:
        return
    subscriber = Client(stage, "prop-s")
    subscriber.subscribe5([("prop/#", SubscribeOptions(qos=2))], SubscriptionIdentifier=77, UserProperty=("on", "subscribe"))
    publisher = Client(stage, "prop-p", connect={"UserProperty": [("k", "v")], "RequestResponseInformation": 1,
                                                 "RequestProblemInformation": 0, "ReceiveMaximum": 9,
                                                 "MaximumPacketSize": 100_000, "TopicAliasMaximum": 4})
    for qos in (0, 1, 2):
        publisher.publish("prop/größe", "größe".encode(), qos, PayloadFormatIndicator=1, ContentType="text/plain",
                          ResponseTopic="prop/answers", CorrelationData=b"\x00\xff", MessageExpiryInterval=3600,
                          UserProperty=[("key", "first"), ("key", "second"), ("", "")])
        subscriber.message()
    publisher.publish("nobody/listens", b"", 1)
    publisher.publish("nobody/listens", b"", 2)


def options(stage):
    if stage.version != 5:
        return
    client = Client(stage, "opt")
    client.publish("opt/kept", b"kept", 1, True)
    for handling in (0, 1, 2):
        for no_local, as_published in ((False, True), (True, False)):
            client.subscribe5([("opt/#", SubscribeOptions(1, no_local, as_published, handling))])
            client.publish("opt/live", b"live", 0)
            # What is retained, and one's own message, come or not; the marker is in the transcript behind them.
            marker = f"mark/{handling}{no_local}"
            client.subscribe((marker, 1))
            client.publish(marker, b"", 1)
            while client.message().topic != marker:
                pass
    client.publish("opt/kept", b"", 1, True)


def aliases(stage):
    if stage.version != 5:
        return
    subscriber = Client(stage, "alias-s")
    subscriber.subscribe(("alias/#", 2))
    publisher = Client(stage, "alias-p")
    for qos, (topic, alias) in enumerate((("alias/one", 1), ("", 1), ("alias/two", 1), ("", 1), ("alias/ten", 10))):
        publisher.publish(topic, b"x", qos % 3, TopicAlias=alias)
        subscriber.message()


def shared(stage):
    members = [Client(stage, f"shared-{name}") for name in ("a", "b", "c")]
    for member in members:
        member.subscribe(("$share/group/shared/#", 1))
    publisher = Client(stage, "shared-p")
    for number in range(6):
        publisher.publish("shared/a", bytes([number]), 1)
    for member in members:
        topic = f"mark/{member.name}"
        member.subscribe((topic, 1))
        member.publish(topic, b"", 1)
        while member.message().topic != topic:
            pass
    got = [line[4] for member in members for line in member.seen if line[0] == "message" and line[1] == "shared/a"]
    assert sorted(got) == [f"{number:02x}" for number in range(6)], got


def request_response(stage):
    if stage.version != 5:
        return
    answerer, asker = Client(stage, "rr-a"), Client(stage, "rr-q")
    answerer.subscribe(("rr/service", 1))
    asker.subscribe(("rr/answers/rr-q", 1))
    for number in range(3):
        asker.publish("rr/service", b"?", 1, ResponseTopic="rr/answers/rr-q", CorrelationData=bytes([number]))
        asked = answerer.message().properties
        answerer.publish(asked.ResponseTopic, b"!", 1, CorrelationData=asked.CorrelationData)
        assert asker.message().properties.CorrelationData == bytes([number])


def flow_control(stage):
    if stage.version != 5:
        return
    subscriber = Client(stage, "flow", connect={"ReceiveMaximum": 1})
    subscriber.subscribe(("flow/#", 2))
    publisher = Client(stage, "flow-p")
    for number in range(20):
        publisher.publish_only("flow/a", bytes([number]), 2)
    for number in range(20):
        publisher.published()
    for number in range(20):
        assert subscriber.message().payload == bytes([number])


def megabyte(stage):
    subscriber = Client(stage, "large-s")
    subscriber.subscribe(("large/#", 2))
    publisher = Client(stage, "large-p")
    binary = bytes(i * i % 251 for i in range(1_048_576))
    text = ("größer als ein Megabyte, " * 45_000).encode()
    for payload in (binary, text):
        for qos in (0, 1, 2):
            values = {"PayloadFormatIndicator": 1} if payload is text else {}
            publisher.publish("large/a", payload, qos, **values)
            assert subscriber.message().payload == payload


def thousand_filters(stage):
    client, publisher = Client(stage, "many"), Client(stage, "many-p")
    filters = [f"many/{number}/+/#" for number in range(1000)]
    client.subscribe(*((name, number % 3) for number, name in enumerate(filters)))
    publisher.publish("many/998/a/b", b"found", 2)
    client.message()
    client.unsubscribe(*filters)
    publisher.publish("many/998/a/b", b"to nobody", 2)
    client.nothing_more()


def odd_texts(stage):
    subscriber, publisher = Client(stage, "odd-s"), Client(stage, "odd-p")
    subscriber.subscribe(("odd/#", 1))
    for topic in ("odd/größe/\U0001f600", "odd//", "odd/ ", "odd/\ufeffbom", "odd/" + "x" * 2000, "odd"):
        publisher.publish(topic, b"", 1)
        assert subscriber.message().topic == topic


def login(stage):
    for name, password in (("näme", "pässword"), ("only a name", None)):
        client = Client(stage, "login", login=(name, password))
        client.leave()
    with open(arguments["log"], encoding="utf-8", errors="replace") as log:
        assert "u'näme'" in log.read()


def empty_client_id(stage):
    if stage.version == 3:
        return
    client = Client(stage, "nameless", client_id="")
    client.nothing_more()


SCENARIOS = [qos_matrix, retained, will, will_after_all, offline, takeover, every_property, options, aliases, shared,
             request_response, flow_control, megabyte, thousand_filters, odd_texts, login, empty_client_id]

for version in arguments["versions"]:
    for scenario in SCENARIOS:
        stage = Stage(version)
        try:
            scenario(stage)
        except BaseException as error:
            print(json.dumps([[client.name, client.seen] for client in stage.clients]), file=sys.stderr)
            raise SystemExit(f"{scenario.__name__}, protocol level {version}: {error!r}") from error
        # A copy, before the clients are told to go.
        line = {"scenario": f"{scenario.__name__}, protocol level {version}",
                "seen": [f"{client.name}: {json.dumps(fact)}" for client in stage.clients for fact in client.seen + client.acks]}
        stage.end()
        print(json.dumps(line), flush=True)
