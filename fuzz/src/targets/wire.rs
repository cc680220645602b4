use protocol::codes::RequestCode;
use protocol::encode::{Field, RequestHeader};
use protocol::frame::{FRAME_SIZE_MAX, Frame, SerializeType, announced_size, scan};
use protocol::header::{Header, HeaderBuffer};
use protocol::identifiers::OffsetMsgId;

use crate::borrowed_wire::requests;

/// A limit that input can reach.
const SMALL: usize = 512;

/// Finds the frames of a stream, which come out the same however the stream was cut into pieces.
pub fn frame(data: &[u8]) {
    for limit in [SMALL, FRAME_SIZE_MAX] {
        let mut rest = data;
        while let Ok(Some(whole)) = scan(rest, limit) {
            assert!(whole.consumed <= rest.len().min(limit), "{} of {} bytes", whole.consumed, rest.len());
            assert_eq!(whole.header.len() + whole.body.len() + 8, whole.consumed);
            assert_eq!(announced_size(rest), Some(whole.consumed));
            for arrived in [0, 3, 4, 7, 8, whole.consumed - 1] {
                assert_eq!(scan(&rest[..arrived.min(whole.consumed - 1)], limit), Ok(None), "after {arrived} bytes");
            }
            rest = &rest[whole.consumed..];
        }
        // Once refused, more bytes change nothing.
        if let Err(error) = scan(rest, limit) {
            assert_eq!(scan(&[rest, b"more"].concat(), limit), Err(error));
        }
    }
}

/// Reads a header in JSON, and what was read again after writing it.
pub fn header_json(data: &[u8]) {
    header(data, SerializeType::Json);
}

/// The same for RocketMQ's own form.
pub fn header_binary(data: &[u8]) {
    header(data, SerializeType::Binary);
}

fn header(data: &[u8], serialize_type: SerializeType) {
    let mut buffer = HeaderBuffer::new();
    let frame = Frame { serialize_type, header: data, body: b"", consumed: data.len() + 8 };
    let Ok(header) = buffer.decode(&frame) else { return };
    look(&header);
    let Some(code) = RequestCode::from_code(header.code).filter(|_| !header.is_response()) else { return };
    let fields: Vec<Field<'_>> = header.fields.iter().map(|(name, value)| (name, value.into())).collect();
    let mut written = Vec::new();
    let oneway = header.is_oneway();
    RequestHeader {
        code,
        language: header.language,
        opaque: header.opaque,
        oneway,
        remark: header.remark,
        fields: &fields,
    }
    .append(&mut written, b"body");
    let again = scan(&written, usize::MAX).expect("a frame of ours").expect("all of it");
    let mut second = HeaderBuffer::new();
    // Escapes make it longer than what was read: it may be over the limit now.
    let Ok(again) = second.decode(&again) else { return };
    assert_eq!((again.code, again.opaque, again.is_oneway()), (header.code, header.opaque, oneway));
    assert_eq!((again.remark, again.language), (header.remark, header.language));
    assert_eq!(again.fields.iter().collect::<Vec<_>>(), header.fields.iter().collect::<Vec<_>>());
}

fn look(header: &Header<'_>) {
    for (name, value) in header.fields.iter() {
        assert!(header.fields.get(name).is_some(), "{name:?} is listed and not there");
        drop(OffsetMsgId::decode(value));
    }
}

/// Reads a frame, its header, and the fields and the body that its code asks for.
pub fn request(data: &[u8]) {
    let Ok(Some(frame)) = scan(data, FRAME_SIZE_MAX) else { return };
    let mut buffer = HeaderBuffer::new();
    let Ok(header) = buffer.decode(&frame) else { return };
    look(&header);
    drop(requests::read(&header, frame.body));
}
