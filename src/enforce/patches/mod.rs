//! Virtual patches: shapes of packets that known weaknesses of brokers and clients need, stopped before they get there.
//!
//! Most such shapes break the standard, or a limit, and are stopped for that: the table says by what. Those that do not
//! have a guard here, which settings turn on and off. Not here: the table for people (`docs/patches.md`, written by
//! [`reference()`]). Read [`KNOWN`] first, then [`Patch`].

mod guards;
mod known;

use std::fmt::Write;

pub use known::{KNOWN, TABLE_VERSION};

/// A weakness that is known, and what keeps it from being made use of through the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its number in the list of Common Vulnerabilities and Exposures.
    pub cve: &'static str,
    /// What has it, and up to which version.
    pub products: &'static str,
    /// What it takes, and what follows.
    pub weakness: &'static str,
    /// What stops it.
    pub guard: Guard,
    /// The version of the table that has it first.
    pub since: u16,
}

/// What stops a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It breaks the standard, or another rule that can't be turned off.
    Always(&'static str),
    /// A limit, at its default and at anything stricter.
    Limit(&'static str),
    /// A setting that has to be made.
    Setting(&'static str),
    /// A guard of its own.
    Patch(Patch),
}

macro_rules! patches {
    ($($(#[doc = $doc:literal])+ $Name:ident $cve:literal $default:literal $stops:literal;)+) => {
        /// A guard that is there for one weakness alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Patch {
            $($(#[doc = $doc])+ $Name,)+
        }

        impl Patch {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$Name,)+];

            /// The word for each.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($cve, Self::$Name),)+];

            /// The words alone.
            pub const CVES: &'static [&'static str] = &[$($cve,)+];

            /// The weakness: the word of settings, records and metrics.
            #[must_use]
            pub const fn cve(self) -> &'static str {
                match self { $(Self::$Name => $cve,)+ }
            }

            /// Whether it is on where nothing is said: it costs nobody anything.
            #[must_use]
            pub const fn is_default(self) -> bool {
                match self { $(Self::$Name => $default,)+ }
            }

            /// What it does.
            #[must_use]
            pub const fn stops(self) -> &'static str {
                match self { $(Self::$Name => $stops,)+ }
            }
        }
    };
}

patches! {
    /// Names that a pattern in an access control list would read as wildcards.
    WildcardNames "CVE-2017-7650" false
        "CONNECT refused whose Client Identifier or user name has `#` in it, or `+` at the end of a level";
    /// Topics that begin with `$` and are not the broker's own.
    DollarTopics "CVE-2018-12543" false
        "PUBLISH and Wills refused to topics that begin with `$`, but for `$SYS`; AWS IoT Core has topics below `$aws`";
    /// Wills that wait for longer than their session lasts.
    WillDelay "CVE-2019-11778" true
        "Will Delay Interval lowered to the Session Expiry Interval, when the Will is published in any case";
    /// Topic Filters of hundreds of levels.
    DeepFilters "CVE-2019-11779" true
        "Topic Filters of more than 200 levels refused, whatever `limits.max_topic_levels` says";
    /// User names without a password.
    NoPassword "CVE-2016-9877" false
        "CONNECT refused with a user name and without a password; some clients have a token as user name";
    /// Client Identifiers that a page would take for markup.
    MarkupNames "CVE-2020-13821" false
        "CONNECT refused whose Client Identifier has `<` in it before a letter, `/`, `!` or `?`";
}

impl Patch {
    /// The patch that a rule's name names.
    #[must_use]
    pub fn of_rule(rule: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|patch| patch.cve() == rule)
    }
}

/// Those that are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches(u32);

impl Default for Patches {
    fn default() -> Self {
        let on = Patch::ALL.iter().filter(|patch| patch.is_default());
        on.fold(Self::NONE, |patches, patch| patches.with(*patch))
    }
}

impl Patches {
    /// None.
    pub const NONE: Self = Self(0);

    /// With this one, too.
    #[must_use]
    pub const fn with(self, patch: Patch) -> Self {
        Self(self.0 | 1 << patch as u8)
    }

    /// Without this one.
    #[must_use]
    pub const fn without(self, patch: Patch) -> Self {
        Self(self.0 & !(1 << patch as u8))
    }

    /// Whether it is on.
    #[must_use]
    #[inline]
    pub const fn has(self, patch: Patch) -> bool {
        self.0 & 1 << patch as u8 != 0
    }
}

const HEAD: &str = "\
# Virtual patches

What is known of weaknesses in brokers and clients, and what keeps an unpatched one behind Tidegate from being exploited through it. Written from the
code by `UPDATE_GOLDEN=1 cargo test --test golden`; do not edit. Every row has a test that sends the shape and shows that nothing of it arrives
(`src/enforce/tests/patches.rs`). They are no replacement for updating what has the weakness: whoever reaches it past the gateway meets it unguarded.

*Always*: the shape breaks the standard or a rule of the gateway that can't be turned off. *Limit*: a limit stops it, at its default and at anything
stricter. *Setting*: it is stopped once the setting is made. *Patch*: a guard of its own, on or off where nothing is said; `[shield]` turns it, for all
listeners or one:

```toml
[shield]
patches = { enable = [\"CVE-2018-12543\"], disable = [\"CVE-2019-11778\"] }
```

What a patch refuses is a record whose `rule` is the number of the weakness, and one more in `tidegate_patched_total`. Monitor mode is for rules:
patches refuse all the same.

";

/// The page that `docs/patches.md` holds.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "Version {TABLE_VERSION} of the table.\n");
    page.push_str(
        "| weakness | of | what it takes, and what follows | what stops it | since |\n|---|---|---|---|---|\n",
    );
    for Known { cve, products, weakness, guard, since } in KNOWN {
        let stopped = match guard {
            Guard::Always(what) => format!("Always: {what}"),
            Guard::Limit(what) => format!("Limit: {what}"),
            Guard::Setting(what) => format!("Setting: {what}"),
            Guard::Patch(patch) => {
                format!("Patch, {}: {}", if patch.is_default() { "on" } else { "off" }, patch.stops())
            }
        };
        let _ = writeln!(page, "| {cve} | {products} | {weakness} | {stopped} | {since} |");
    }
    page
}
