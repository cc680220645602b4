use broker::Limits;
use protocol::frame::{FRAME_SIZE_MAX, scan};

use crate::borrowed_conversations::house::House;

/// Most frames of one input: what comes later meets nothing new.
const FRAMES_MAX: usize = 32;

/// Hands the frames of a stream to a broker, over two connections in turn, lets time pass, and asks it for an honest send.
pub fn conversation(data: &[u8]) {
    let limits = Limits { topics: 60, groups: 60, held_pulls: 20, open_transactions: 20, ..Limits::default() };
    let mut house = House::with(limits);
    let honest = house.client("honest", Some("honest"), Some(("honest", &["honest-orders"])));
    let mut hostile = [house.open(), house.open()];
    let mut rest = data;
    for turn in 0..FRAMES_MAX {
        let Ok(Some(frame)) = scan(rest, FRAME_SIZE_MAX) else { break };
        let session = &mut hostile[turn % 2];
        if house.send(*session, &rest[..frame.consumed]).is_err() {
            // A header that cannot be read closes the connection, as the owner of the socket would.
            house.close(*session);
            *session = house.open();
        }
        house.take(*session);
        rest = &rest[frame.consumed..];
    }
    house.run_ms(40_000);
    for session in hostile {
        house.close(session);
    }
    house.run_ms(30_000);
    let answer = house.message(honest, "honest-orders", "0", "", b"still here");
    assert_eq!(answer.code, 0, "an honest send is answered {answer:?}");
    assert_eq!(house.door.waiting(), 0, "questions wait for connections that are gone");
}
