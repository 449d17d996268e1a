//! Who takes part: sensors and a dashboard that behave, and those that do not.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::device::{self, Device, Failure};
use crate::plant::{Plant, REVOKED};
use crate::wire::{self, V50, V311};

/// Something on the field network that measures.
pub(crate) struct Sensor {
    pub(crate) name: &'static str,
    /// Protocol level that it speaks.
    pub(crate) level: u8,
    pub(crate) qos: u8,
    quantity: &'static str,
    value: f64,
    device: Device,
}

impl Sensor {
    /// Publishes one reading; returns Topic Name and payload.
    pub(crate) fn measure(&mut self) -> Result<(String, String), Failure> {
        self.value += 0.1;
        let topic = format!("plant/line1/{}/{}", self.quantity, self.name);
        let payload = format!("{{\"value\":{:.1}}}", self.value);
        self.device.publish(self.qos, &topic, &payload)?;
        Ok((topic, payload))
    }

    pub(crate) fn leave(self) {
        self.device.leave();
    }
}

/// How a device with a new certificate of this name and unit speaks TLS.
fn settings_of(plant: &Plant, name: &str, unit: &str) -> Result<Arc<ClientConfig>, Failure> {
    device::trust(&plant.pki.file("ca.pem"), Some(plant.pki.client(name, unit)?))
}

/// The sensors, each connected with a certificate of its own.
pub(crate) fn sensors(plant: &Plant) -> Result<Vec<Sensor>, Failure> {
    let table = [
        ("temp-01", V311, 0, "temperature", 21.4),
        ("temp-02", V311, 1, "temperature", 22.0),
        ("press-01", V50, 0, "pressure", 6.1),
        ("level-01", V50, 1, "level", 73.5),
    ];
    let mut sensors = Vec::new();
    for (name, level, qos, quantity, value) in table {
        let mut device = Device::dial(plant.gateway, &settings_of(plant, name, "sensors")?)?;
        device.connect(level, name)?;
        sensors.push(Sensor { name, level, qos, quantity, value, device });
    }
    Ok(sensors)
}

/// Those who listen: a dashboard through the gateway, and a tap on the broker's own side of it.
pub(crate) struct Audience {
    dashboard: Device,
    tap: Device,
    at_the_broker: usize,
}

impl Audience {
    pub(crate) fn take_seats(plant: &Plant) -> Result<Self, Failure> {
        let mut dashboard = Device::dial(plant.gateway, &settings_of(plant, "dashboard", "dashboards")?)?;
        dashboard.connect(V50, "dashboard")?;
        dashboard.subscribe("plant/#")?;
        let mut tap = Device::dial_plain(plant.broker)?;
        tap.connect(V311, "tap")?;
        tap.subscribe("#")?;
        Ok(Self { dashboard, tap, at_the_broker: 0 })
    }

    /// Waits for a message at the broker and at the dashboard.
    ///
    /// # Errors
    /// When another one, or none, comes to the dashboard.
    pub(crate) fn expect(&mut self, message: &(String, String)) -> Result<(), Failure> {
        self.at_the_broker += 1;
        while self.tap.receive()? != *message {
            self.at_the_broker += 1;
        }
        let shown = self.dashboard.receive()?;
        if shown != *message {
            return Err(format!("the dashboard got {shown:?}, not {message:?}").into());
        }
        Ok(())
    }

    /// How many messages the broker has been given so far.
    pub(crate) fn at_the_broker(&self) -> usize {
        self.at_the_broker
    }

    /// Says that both are still there.
    pub(crate) fn stay(&mut self) -> Result<(), Failure> {
        self.dashboard.ping()?;
        Ok(self.tap.ping()?)
    }
}

/// Something that must not get through.
pub(crate) struct Offence {
    pub(crate) deed: &'static str,
    /// What the offender sees at the end starts with this.
    pub(crate) seen: &'static str,
    /// The cause of the end in the audit file.
    pub(crate) cause: &'static str,
    trust: Arc<ClientConfig>,
    /// The level of a proper CONNECT before the offence.
    connect: Option<u8>,
    bytes: Vec<u8>,
}

impl Offence {
    /// Does it; returns the offender, to be asked for its address and for what it sees.
    pub(crate) fn commit(&self, plant: &Plant) -> Result<Device, Failure> {
        let mut device = Device::dial(plant.gateway, &self.trust)?;
        if let Some(level) = self.connect {
            device.connect(level, "offender")?;
        }
        // A refusal may well come in the middle of this.
        let _ = device.send(&self.bytes);
        Ok(device)
    }
}

/// What the protocol permits and the policy does not: it is answered, and the connection goes on.
pub(crate) struct Trespass {
    pub(crate) deed: &'static str,
    /// What the answer is.
    pub(crate) seen: &'static str,
    pub(crate) topic: &'static str,
    bytes: Vec<u8>,
}

/// The trespasses of one sensor.
pub(crate) struct Trespasser {
    device: Device,
    pub(crate) trespasses: Vec<Trespass>,
}

impl Trespasser {
    pub(crate) fn connect(plant: &Plant) -> Result<Self, Failure> {
        let mut device = Device::dial(plant.gateway, &settings_of(plant, "temp-06", "sensors")?)?;
        device.connect(V50, "temp-06")?;
        let (neighbour, own) = ("plant/line1/temperature/temp-01", "plant/line1/temperature/temp-06");
        let mut retained = wire::publish(V50, 1, 2, own, b"{}");
        retained.iter_mut().take(1).for_each(|first| *first |= 1);
        let table = [
            ("a message as its neighbour", "PUBACK 0x87", neighbour, wire::publish(V50, 1, 1, neighbour, b"{}")),
            ("a retained message", "PUBACK 0x87", own, retained),
            ("a look at everything", "SUBACK 0x87", "#", wire::subscribe(V50, 3, "#")),
        ];
        let trespass = |(deed, seen, topic, bytes)| Trespass { deed, seen, topic, bytes };
        Ok(Self { device, trespasses: table.into_iter().map(trespass).collect() })
    }

    /// Does it; tells in words what the answer is.
    pub(crate) fn commit(&mut self, at: usize) -> Result<String, Failure> {
        let trespass = self.trespasses.get(at).ok_or("no such trespass")?;
        self.device.send(&trespass.bytes)?;
        self.device.answer()
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.device.address
    }
}

/// All offences, in the order of the telling.
pub(crate) fn offences(plant: &Plant) -> Result<Vec<Offence>, Failure> {
    let ca = plant.pki.file("ca.pem");
    let anonymous = device::trust(&ca, None)?;
    let foreign = device::trust(&ca, Some(plant.pki.stranger()?.client("temp-01", "sensors")?))?;
    let revoked = ["pem", "key"].map(|kind| plant.pki.file(&format!("{REVOKED}.{kind}")));
    let revoked = device::trust(&ca, Some(revoked.into()))?;
    let known = settings_of(plant, "temp-09", "sensors")?;
    let publish = |topic| wire::publish(V50, 0, 0, topic, b"{}");
    let early = publish("plant/line1/level/x");
    let connect = wire::connect(V50, "offender");
    let huge = vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    let http = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let (none, v50) = (None, Some(V50));
    let table = [
        ("no client certificate", "TLS alert", "no_certificate", &anonymous, none, vec![]),
        ("a certificate of a foreign CA", "TLS alert", "unknown_ca", &foreign, none, vec![]),
        ("a revoked certificate", "TLS alert", "revoked", &revoked, none, vec![]),
        ("a PUBLISH before CONNECT", "closed", "not_connect", &known, none, early),
        ("an HTTP request", "closed", "not_connect", &known, none, http),
        ("a PUBLISH to `plant/#`", "DISCONNECT 0x81", "topic_name_wildcard", &known, v50, publish("plant/#")),
        ("a second CONNECT", "DISCONNECT 0x82", "second_connect", &known, v50, connect),
        ("a packet of 256 MB", "DISCONNECT 0x95", "packet_too_large", &known, v50, huge),
    ];
    let offence = |(deed, seen, cause, trust, connect, bytes): (_, _, _, &Arc<ClientConfig>, _, _)| Offence {
        deed,
        seen,
        cause,
        trust: Arc::clone(trust),
        connect,
        bytes,
    };
    Ok(table.into_iter().map(offence).collect())
}
