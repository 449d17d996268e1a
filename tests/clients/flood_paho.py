"""Publishes a burst at QoS 1 with the Eclipse Paho client while it is sent commands, and prints what came when.

Arguments: JSON with port, version (protocol level), id, subscribe (a filter), topic, count (how many to publish at
once), commands (how many to await). Prints `subscribed`, then `code N` for each acknowledgement and `command` for each
message, in the order that they came.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt

LEVELS = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}
given = json.loads(sys.argv[1])
connected, subscribed, happened = (queue.Queue() for _ in range(3))


def say(text):
    print(text, flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=given["id"], protocol=LEVELS[given["version"]])
client.max_inflight_messages_set(1000)
client.on_connect = lambda _client, _data, _flags, reason, _properties: connected.put(reason)
client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: subscribed.put(reasons)
client.on_publish = lambda _client, _data, _mid, reason, _properties: happened.put(f"code {reason.value}")
client.on_message = lambda _client, _data, _message: happened.put("command")
client.connect("127.0.0.1", given["port"], keepalive=10)
client.loop_start()
assert not connected.get(timeout=30).is_failure
client.subscribe(given["subscribe"], 1)
assert not any(reason.is_failure for reason in subscribed.get(timeout=30))
for number in range(given["count"]):
    client.publish(given["topic"], b"%d" % number, 1)
say("subscribed")
for _ in range(given["count"] + given["commands"]):
    say(happened.get(timeout=30))
client.disconnect()
client.loop_stop()
