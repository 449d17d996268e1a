//! What is wrong with a payload.

macro_rules! flaws {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal;)+) => {
        /// What can be wrong with a payload, whatever it says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FlawKind { $($(#[doc = $doc])+ $variant,)+ }

        impl FlawKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word that records use; never changes.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

flaws! {
    /// Text that is not UTF-8.
    NotUtf8 = "not_utf8";
    /// It begins with U+FEFF.
    ByteOrderMark = "byte_order_mark";
    /// It is not of its format.
    Syntax = "syntax";
    /// Something follows behind its end.
    TrailingBytes = "trailing_bytes";
    /// It ends too early.
    Truncated = "truncated";
    /// A name stands twice in one object.
    DuplicateKey = "duplicate_key";
    /// More lists and objects around a value than permitted.
    TooDeep = "too_deep";
    /// More values than permitted.
    TooManyValues = "too_many_values";
    /// A number that is out of all range, or none at all: 1e400, NaN, Infinity.
    NumberRange = "number_range";
    /// A payload of fixed length has another.
    WrongLength = "wrong_length";
    /// Something that the format has and that is not taken: a tag, an extension, a group, a zero in a name.
    Unsupported = "unsupported";
    /// A name that is no text and no integer.
    KeyType = "key_type";
    /// A field that the message's descriptor does not have.
    UnknownField = "unknown_field";
    /// A field without which there is no such message.
    MissingField = "missing_field";
}

/// What is wrong with a payload, and where. Never holds a value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub what: FlawKind,
    /// The byte at which it was found, where that is known.
    pub at: Option<usize>,
    /// The innermost field that it was found in, as a JSON Pointer of at most [`Flaw::MAX_FIELD_BYTES`] (a longer one
    /// ends in `…`); none where there is none. Text of the sender's: escape it.
    pub field: Option<Box<str>>,
}

impl Flaw {
    /// The longest name of a field that is told, in bytes.
    pub const MAX_FIELD_BYTES: usize = 128;

    /// A flaw of no place.
    #[must_use]
    pub const fn new(what: FlawKind) -> Self {
        Self { what, at: None, field: None }
    }

    /// The flaw is in what has this name.
    #[must_use]
    pub(super) fn within(self, name: &str) -> Self {
        let mut field = String::from("/");
        for c in name.chars().take(Self::MAX_FIELD_BYTES) {
            match c {
                '~' => field.push_str("~0"),
                '/' => field.push_str("~1"),
                c => field.push(c),
            }
        }
        field.push_str(self.field.as_deref().unwrap_or_default());
        Self { field: Some(bounded(field)), ..self }
    }
}

/// A pointer of at most [`Flaw::MAX_FIELD_BYTES`]; one that is longer ends in an ellipsis.
pub(super) fn bounded(mut field: String) -> Box<str> {
    const MORE: char = '…';
    if field.len() > Flaw::MAX_FIELD_BYTES {
        field.truncate(field.floor_char_boundary(Flaw::MAX_FIELD_BYTES - MORE.len_utf8()));
        field.push(MORE);
    }
    field.into()
}
