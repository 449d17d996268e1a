"""Subscribes and publishes with the Eclipse Paho client, and prints what it was told and what it was sent.

Arguments: JSON with port, version (protocol level), id, subscribe (filters), publish (objects with topic, payload in
hex, retain, properties: pairs), messages (how many to await). Prints `subscribed`, then `code N` for each message
published at QoS 1, then a line of JSON for each message that came.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

LEVELS = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}
given = json.loads(sys.argv[1])
version = given["version"]
connected, subscribed, told, messages = (queue.Queue() for _ in range(4))


def say(text):
    print(text, flush=True)


def carried(properties):
    if version != 5 or not properties:
        return None
    found = Properties(PacketTypes.PUBLISH)
    found.UserProperty = [tuple(pair) for pair in properties]
    return found


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=given["id"], protocol=LEVELS[version])
client.on_connect = lambda _client, _data, _flags, reason, _properties: connected.put(reason)
client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: subscribed.put(reasons)
client.on_publish = lambda _client, _data, _mid, reason, _properties: told.put(reason.value)
client.on_message = lambda _client, _data, message: messages.put(message)
client.connect("127.0.0.1", given["port"])
client.loop_start()
assert not connected.get(timeout=30).is_failure
for topic in given["subscribe"]:
    client.subscribe(topic, 1)
    assert not any(reason.is_failure for reason in subscribed.get(timeout=30))
say("subscribed")
for one in given["publish"]:
    payload = bytes.fromhex(one["payload"])
    client.publish(one["topic"], payload, 1, one["retain"], carried(one["properties"]))
    say(f"code {told.get(timeout=30)}")
for _ in range(given["messages"]):
    message = messages.get(timeout=30)
    properties = getattr(message.properties, "UserProperty", []) if version == 5 else []
    say(json.dumps({"topic": message.topic, "payload": message.payload.hex(), "properties": properties}))
client.disconnect()
client.loop_stop()
