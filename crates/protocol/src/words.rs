//! Enumerations that travel by name in JSON and by ordinal in binary headers and in what C++ clients write.

/// An enumeration of the protocol: every value has a name and an ordinal.
pub trait Word: Copy + Sized + 'static {
    /// All values, in order of their ordinals.
    const ALL: &'static [Self];

    /// The Java enum constant's name, which is what JSON carries.
    fn name(self) -> &'static str;

    /// The Java enum constant's ordinal.
    fn ordinal(self) -> i32;

    /// The value called `name`, exactly.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.name() == name)
    }

    /// The value with this ordinal.
    fn from_ordinal(ordinal: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| i64::from(word.ordinal()) == ordinal)
    }
}

/// Declares an enumeration and its [`Word`] names.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $type:ident { $($(#[$doc:meta])* $variant:ident = $ordinal:literal $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$doc])* $variant = $ordinal,)+
        }

        impl $crate::words::Word for $type {
            const ALL: &'static [Self] = &[$($type::$variant,)+];

            fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)+
                }
            }

            fn ordinal(self) -> i32 {
                self as i32
            }
        }
    };
}

pub(crate) use words;
