//! The types that a metric can have.

macro_rules! datatypes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal;)+) => {
        /// The type of a metric's value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Datatype { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl Datatype {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The one of a number.
            #[must_use]
            pub const fn of(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// As the specification calls it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }
    };
}

datatypes! {
    /// Signed, 8 bits.
    Int8 = 1;
    /// Signed, 16 bits.
    Int16 = 2;
    /// Signed, 32 bits.
    Int32 = 3;
    /// Signed, 64 bits.
    Int64 = 4;
    /// Unsigned, 8 bits.
    UInt8 = 5;
    /// Unsigned, 16 bits.
    UInt16 = 6;
    /// Unsigned, 32 bits.
    UInt32 = 7;
    /// Unsigned, 64 bits.
    UInt64 = 8;
    /// A number of 32 bits.
    Float = 9;
    /// A number of 64 bits.
    Double = 10;
    /// Truth or falsehood.
    Boolean = 11;
    /// Text.
    String = 12;
    /// Milliseconds since 1970.
    DateTime = 13;
    /// Text.
    Text = 14;
    /// Text.
    UUID = 15;
    /// A table.
    DataSet = 16;
    /// Bytes.
    Bytes = 17;
    /// Bytes.
    File = 18;
    /// Metrics that belong together.
    Template = 19;
    /// Of properties alone; no metric has it.
    PropertySet = 20;
    /// Of properties alone; no metric has it.
    PropertySetList = 21;
    /// Bytes: items of 1 byte.
    Int8Array = 22;
    /// Bytes: items of 2 bytes.
    Int16Array = 23;
    /// Bytes: items of 4 bytes.
    Int32Array = 24;
    /// Bytes: items of 8 bytes.
    Int64Array = 25;
    /// Bytes: items of 1 byte.
    UInt8Array = 26;
    /// Bytes: items of 2 bytes.
    UInt16Array = 27;
    /// Bytes: items of 4 bytes.
    UInt32Array = 28;
    /// Bytes: items of 8 bytes.
    UInt64Array = 29;
    /// Bytes: items of 4 bytes.
    FloatArray = 30;
    /// Bytes: items of 8 bytes.
    DoubleArray = 31;
    /// Bytes: a count of 4 bytes, and that many bits.
    BooleanArray = 32;
    /// Bytes: texts, each ended by a zero.
    StringArray = 33;
    /// Bytes: items of 8 bytes.
    DateTimeArray = 34;
}

impl Datatype {
    /// How many bytes an item of an array has, where all have as many.
    pub(super) const fn item_bytes(self) -> Option<usize> {
        match self {
            Self::Int16Array | Self::UInt16Array => Some(2),
            Self::Int32Array | Self::UInt32Array | Self::FloatArray => Some(4),
            Self::Int64Array | Self::UInt64Array | Self::DoubleArray | Self::DateTimeArray => Some(8),
            Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64 => None,
            Self::UInt8 | Self::UInt16 | Self::UInt32 | Self::UInt64 => None,
            Self::Float | Self::Double | Self::Boolean | Self::String | Self::DateTime | Self::Text | Self::UUID => {
                None
            }
            Self::DataSet | Self::Bytes | Self::File | Self::Template | Self::PropertySet | Self::PropertySetList => {
                None
            }
            Self::Int8Array | Self::UInt8Array | Self::BooleanArray | Self::StringArray => None,
        }
    }
}
