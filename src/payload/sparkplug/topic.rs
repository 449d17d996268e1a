//! What a topic says.

/// A topic of Sparkplug, strictly read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'t> {
    /// Of an edge node or one of its devices: `spBv1.0/GROUP/TYPE/NODE` or `spBv1.0/GROUP/TYPE/NODE/DEVICE`.
    Node {
        /// The Group ID.
        group: &'t str,
        /// What is said.
        message: MessageType,
        /// The Edge Node ID.
        node: &'t str,
        /// The Device ID, of the four types about devices alone.
        device: Option<&'t str>,
    },
    /// Whether a Host Application is there: `spBv1.0/STATE/HOST`, and `STATE/HOST` in 2.2.
    State {
        /// The Host ID.
        host: &'t str,
    },
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A node is there: all its metrics, and their values.
    NodeBirth,
    /// Values of a node.
    NodeData,
    /// A node is gone.
    NodeDeath,
    /// A command to a node.
    NodeCommand,
    /// A device is there.
    DeviceBirth,
    /// Values of a device.
    DeviceData,
    /// A device is gone.
    DeviceDeath,
    /// A command to a device.
    DeviceCommand,
}

impl MessageType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NodeBirth,
        Self::NodeData,
        Self::NodeDeath,
        Self::NodeCommand,
        Self::DeviceBirth,
        Self::DeviceData,
        Self::DeviceDeath,
        Self::DeviceCommand,
    ];

    /// As a topic has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NodeBirth => "NBIRTH",
            Self::NodeData => "NDATA",
            Self::NodeDeath => "NDEATH",
            Self::NodeCommand => "NCMD",
            Self::DeviceBirth => "DBIRTH",
            Self::DeviceData => "DDATA",
            Self::DeviceDeath => "DDEATH",
            Self::DeviceCommand => "DCMD",
        }
    }

    /// Whether it is about a device of a node.
    #[must_use]
    pub const fn is_of_device(self) -> bool {
        match self {
            Self::NodeBirth | Self::NodeData | Self::NodeDeath | Self::NodeCommand => false,
            Self::DeviceBirth | Self::DeviceData | Self::DeviceDeath | Self::DeviceCommand => true,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl<'t> Topic<'t> {
    /// The first level of all topics but those of `STATE` in 2.2.
    pub const NAMESPACE: &'static str = "spBv1.0";
    const STATE: &'static str = "STATE";

    /// Reads a Topic Name; none where it is no topic of Sparkplug B. No level may be empty.
    #[must_use]
    pub fn parse(topic: &'t str) -> Option<Self> {
        let mut levels = topic.split('/');
        let mut next = || levels.next().map(|level| Some(level).filter(|level| !level.is_empty()));
        let first = next()??;
        if first == Self::STATE {
            let host = next()??;
            return next().is_none().then_some(Self::State { host });
        }
        if first != Self::NAMESPACE {
            return None;
        }
        let group = next()??;
        if group == Self::STATE {
            let host = next()??;
            return next().is_none().then_some(Self::State { host });
        }
        let message = MessageType::parse(next()??)?;
        let node = next()??;
        let device = if message.is_of_device() { Some(next()??) } else { None };
        next().is_none().then_some(Self::Node { group, message, node, device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_number_of_levels() {
        for message in MessageType::ALL {
            let of_node = format!("spBv1.0/Plant 1/{}/edge", message.as_str());
            let of_device = format!("{of_node}/pump");
            let device = message.is_of_device().then_some("pump");
            let read = Some(Topic::Node { group: "Plant 1", message, node: "edge", device });
            let (right, wrong) = if message.is_of_device() { (&of_device, &of_node) } else { (&of_node, &of_device) };
            assert_eq!(Topic::parse(right), read);
            assert_eq!(Topic::parse(wrong), None);
            assert_eq!(Topic::parse(&format!("{of_device}/more")), None);
        }
        assert_eq!(Topic::parse("spBv1.0/STATE/scada"), Some(Topic::State { host: "scada" }));
        assert_eq!(Topic::parse("STATE/scada"), Some(Topic::State { host: "scada" }));
    }

    #[test]
    fn what_is_no_topic_of_sparkplug_is_none() {
        for topic in [
            "",
            "/",
            "spBv1.0",
            "spBv1.0/",
            "spBv1.0/g",
            "spBv1.0/g/NBIRTH",
            "spBv1.0/g/NBIRTH/",
            "spBv1.0//NBIRTH/e",
            "spBv1.0/g/DDATA/e/",
            "spBv1.0/g/nbirth/e",
            "spBv1.0/g/NBIRTHS/e",
            "spBv1.0/g/STATE/e",
            "spAv1.0/g/NBIRTH/e",
            "spbv1.0/g/NBIRTH/e",
            "/spBv1.0/g/NBIRTH/e",
            "spBv1.0/STATE",
            "spBv1.0/STATE/",
            "spBv1.0/STATE/h/x",
            "spBv1.0/STATE/NBIRTH/e",
            "STATE",
            "STATE/",
            "STATE/h/x",
            "plant/line1/temperature",
        ] {
            assert_eq!(Topic::parse(topic), None, "{topic}");
        }
    }
}
