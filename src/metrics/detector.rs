//! What the gateway tells attacks, and devices gone wrong, by.

/// What is done too often: each has a limit in `[protection]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// A client that is gone as soon as it has come, again and again.
    Flapping,
    /// Connections that end one another for a Client Identifier in common.
    Takeovers,
    /// A client that leaves its Will to be published, again and again.
    Wills,
    /// Connections that end with a malformed or illegal packet.
    Malformed,
    /// Handshakes that fail.
    FailedHandshakes,
    /// Clients that are not who they say they are, from one address.
    FailedAuthentications,
    /// The same, for one user name.
    FailedAuthenticationsPerName,
    /// Retained messages.
    Retained,
    /// Topic Filters that are subscribed to and unsubscribed from.
    Subscriptions,
    /// QoS 2 messages that their client does not release.
    OpenQos2,
}

impl Detector {
    /// Every one, for references and metric families.
    pub const ALL: [Self; 10] = [
        Self::Flapping,
        Self::Takeovers,
        Self::Wills,
        Self::Malformed,
        Self::FailedHandshakes,
        Self::FailedAuthentications,
        Self::FailedAuthenticationsPerName,
        Self::Retained,
        Self::Subscriptions,
        Self::OpenQos2,
    ];

    /// The word that metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Flapping => "flapping",
            Self::Takeovers => "takeovers",
            Self::Wills => "wills",
            Self::Malformed => "malformed",
            Self::FailedHandshakes => "failed_handshakes",
            Self::FailedAuthentications => "failed_authentications",
            Self::FailedAuthenticationsPerName => "failed_authentications_per_name",
            Self::Retained => "retained",
            Self::Subscriptions => "subscriptions",
            Self::OpenQos2 => "open_qos2",
        }
    }

    /// The setting that limits it: the rule that refusals name.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::OpenQos2 => "max_open_qos2",
            Self::Flapping
            | Self::Takeovers
            | Self::Wills
            | Self::Malformed
            | Self::FailedHandshakes
            | Self::FailedAuthentications
            | Self::FailedAuthenticationsPerName
            | Self::Retained
            | Self::Subscriptions => self.label(),
        }
    }
}
