"""Connects once with the Eclipse Paho client and prints the code of the CONNACK.

Arguments: JSON with port, version (protocol level), and login: null, or user name and password.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt

LEVELS = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}
arguments = json.loads(sys.argv[1])
version = arguments["version"]
told = queue.Queue()

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho", protocol=LEVELS[version])
if arguments["login"]:
    client.username_pw_set(*arguments["login"])
client.on_connect = lambda _client, _userdata, _flags, reason, _properties: told.put(reason)
client.connect("127.0.0.1", arguments["port"])
client.loop_start()
reason = told.get(timeout=30)
client.disconnect()
client.loop_stop()
print(reason.getName())
