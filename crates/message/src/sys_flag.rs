//! Bits of a record's system flag (remoting protocol 2.2).

/// The body is compressed by the client; the broker stores and returns it untouched.
pub const COMPRESSED: i32 = 1;
/// The producer says that this is a half message. The property `TRAN_MSG` decides, not this bit.
pub const TRANSACTION_PREPARED: i32 = 4;
/// A committed transactional message.
pub const TRANSACTION_COMMIT: i32 = 8;
/// Both transaction bits: the mask of the transaction type.
pub const TRANSACTION_TYPE: i32 = 12;
/// The born host is an IPv6 address.
pub const BORN_HOST_V6: i32 = 16;
/// The store host is an IPv6 address.
pub const STORE_HOST_V6: i32 = 32;
/// A batch kept as one record (inner batch): never created here.
pub const NEED_UNWRAP: i32 = 64;
/// A batch kept as one record (inner batch): never created here.
pub const INNER_BATCH: i32 = 128;
/// Which compression: 1 LZ4, 2 Zstandard, 3 zlib, 0 means zlib as well.
pub const COMPRESSION_TYPE: i32 = 0x700;

/// What a client may say in a send: the compression. Hosts, transaction type and batches are the broker's to say.
pub const CLIENT_BITS: i32 = COMPRESSED | COMPRESSION_TYPE | 2;
