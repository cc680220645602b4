use std::io::{Read as _, Write as _};
use std::net::TcpStream as Client;

use super::*;

const KIB: usize = 1 << 10;

struct House {
    sockets: Sockets,
    address: SocketAddr,
}

/// What a turn handed over.
#[derive(Default, Debug)]
struct Heard {
    opened: Vec<SessionId>,
    /// Whose frames, and how long, in order.
    frames: Vec<(SessionId, usize)>,
    closed: Vec<CloseReason>,
}

impl House {
    fn new() -> Self {
        let limits = SocketLimits {
            connections: 100,
            connections_per_address: None,
            frame_size: 1024 * KIB,
            send_buffer: 512 * KIB,
            receive_buffer: 64 * KIB,
            receive_buffers: 16 * 1024 * KIB,
            send_buffers: 16 * 1024 * KIB,
            idle: Duration::from_secs(1000),
            frame_timeout: Duration::from_secs(20),
        };
        let mut sockets = Sockets::new(limits).unwrap();
        let (_, address) = sockets.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        House { sockets, address }
    }

    fn connect(&mut self) -> (Client, SessionId) {
        let client = Client::connect(self.address).unwrap();
        client.set_nonblocking(true).unwrap();
        for _ in 0..1000 {
            if let Some(session) = self.turn(0, Hearing::Anew).opened.pop() {
                return (client, session);
            }
        }
        panic!("it is not accepted");
    }

    fn turn(&mut self, seconds: u64, hearing: Hearing) -> Heard {
        let mut heard = Heard::default();
        self.sockets.wait(Some(Duration::from_millis(5)), seconds, hearing).unwrap();
        self.sockets.turn(hearing, |event| {
            match event {
                Event::Opened { session, .. } => heard.opened.push(session),
                Event::Frame { session, frame, .. } => heard.frames.push((session, frame.consumed)),
                Event::Closed { reason, .. } => heard.closed.push(reason),
                Event::Refused { why, .. } => panic!("{why}"),
            }
            Verdict::Keep
        });
        heard
    }
}

impl Heard {
    fn bytes_of(&self, session: SessionId) -> usize {
        self.frames.iter().filter(|(of, _)| *of == session).map(|(_, len)| len).sum()
    }
}

/// A frame of so many bytes.
fn frame(len: usize) -> Vec<u8> {
    let mut bytes = (len as u32 - 4).to_be_bytes().to_vec();
    bytes.resize(len, 0);
    bytes
}

/// A connection that sends as fast as it can.
struct Busy {
    client: Client,
    session: SessionId,
    /// Bytes sent of a frame that is not sent whole.
    begun: usize,
}

impl Busy {
    fn flood(&mut self) {
        let frames = frame(KIB).repeat(256);
        // Until the system takes no more.
        while let Ok(sent) = self.client.write(&frames[self.begun..]) {
            self.begun = (self.begun + sent) % KIB;
        }
    }
}

/// Two that go on sending, and one that says little.
fn busy_ones_and_a_quiet_one(house: &mut House) -> ([Busy; 2], (Client, SessionId)) {
    let mut busy = [house.connect(), house.connect()].map(|(client, session)| Busy { client, session, begun: 0 });
    let quiet = house.connect();
    for _ in 0..20 {
        busy.iter_mut().for_each(Busy::flood);
        house.turn(0, Hearing::Anew);
    }
    busy.iter_mut().for_each(Busy::flood);
    (busy, quiet)
}

#[test]
fn many_who_come_at_once_are_taken_before_they_are_accepted() {
    let house = House::new();
    // The system's own limit is 4,096 unless somebody lowered it. Who is not taken tries again after a second.
    let come = |_| Client::connect_timeout(&house.address, Duration::from_millis(900));
    let clients: io::Result<Vec<_>> = (0..500).map(come).collect();
    assert_eq!(clients.unwrap().len(), 500);
}

#[test]
fn while_nobody_says_little_a_busy_connection_is_heard_as_fast_as_it_sends() {
    let mut house = House::new();
    let (mut busy, _quiet) = busy_ones_and_a_quiet_one(&mut house);
    // They go on until nobody else was heard for two seconds.
    for second in 1..=3 {
        for _ in 0..20 {
            busy.iter_mut().for_each(Busy::flood);
            house.turn(second, Hearing::Anew);
        }
    }
    // In one batch: nothing is written meanwhile.
    let mut heard = [0; 2];
    for _ in 0..20 {
        busy.iter_mut().for_each(Busy::flood);
        let turn = house.turn(3, Hearing::Rest);
        heard = [0, 1].map(|number: usize| heard[number] + turn.bytes_of(busy[number].session));
    }
    assert!(heard.iter().all(|bytes| *bytes >= 256 * KIB), "{heard:?} bytes");
}

#[test]
fn who_says_little_is_heard_first_and_busy_ones_share_what_one_may_send() {
    let mut house = House::new();
    let (mut busy, (mut quiet, session)) = busy_ones_and_a_quiet_one(&mut house);
    quiet.write_all(&frame(100)).unwrap();
    let mut first = house.turn(0, Hearing::Anew);
    while first.bytes_of(session) == 0 {
        first = house.turn(0, Hearing::Anew);
    }
    assert_eq!(first.frames[0].0, session, "it does not wait for the others");
    busy.iter_mut().for_each(Busy::flood);
    let round = house.turn(0, Hearing::Anew);
    let of_each = [0, 1].map(|number: usize| round.bytes_of(busy[number].session));
    assert!(of_each.iter().all(|bytes| *bytes > 0), "{of_each:?}");
    assert!(of_each.iter().sum::<usize>() <= 65 * KIB, "{of_each:?}: a receive buffer, and what goes over");
}

#[test]
fn a_share_is_not_renewed_before_the_batch_is_written() {
    let mut house = House::new();
    let (mut busy, (mut quiet, session)) = busy_ones_and_a_quiet_one(&mut house);
    quiet.write_all(&frame(100)).unwrap();
    while house.turn(0, Hearing::Anew).bytes_of(session) == 0 {}
    busy.iter_mut().for_each(Busy::flood);
    house.turn(0, Hearing::Anew);
    let rest = house.turn(0, Hearing::Rest);
    assert_eq!(rest.frames, [], "they have had their share");
    quiet.write_all(&frame(100)).unwrap();
    let mut rest = house.turn(0, Hearing::Rest);
    while rest.frames.is_empty() {
        rest = house.turn(0, Hearing::Rest);
    }
    assert_eq!(rest.frames, [(session, 100)]);
    assert_ne!(house.turn(0, Hearing::Anew).frames, []);
}

/// Makes answers of 16 KiB for as long as each has its turn, and sends them: how many for each.
fn answer(house: &mut House, sessions: &[SessionId]) -> Vec<usize> {
    let made = sessions.iter().map(|session| {
        let mut made = 0;
        while house.sockets.has_turn(*session) {
            house.sockets.out(*session).unwrap().extend([0; ANSWER]);
            made += 1;
        }
        made
    });
    let made = made.collect();
    house.sockets.flush();
    made
}

const ANSWER: usize = 16 * KIB;

#[test]
fn answers_of_a_turn_are_shared_and_who_had_to_wait_comes_first_in_the_next() {
    let mut house = House::new();
    let clients: Vec<_> = (0..6).map(|_| house.connect()).collect();
    let sessions: Vec<_> = clients.iter().map(|(_, session)| *session).collect();
    // What each is told before it counts as busy.
    answer(&mut house, &sessions);
    let mut served = [0; 6];
    for turn in 0.. {
        let made = answer(&mut house, &sessions);
        let all = made.iter().sum::<usize>() * ANSWER;
        assert!(all <= 256 * KIB + ANSWER, "{made:?}: four receive buffers, and what goes over");
        served.iter_mut().zip(made).for_each(|(served, made)| *served += made);
        if !served.contains(&0) {
            break;
        }
        assert!(turn < 20, "somebody never has a turn: {served:?}");
    }
}

#[test]
fn busy_ones_are_answered_less_in_a_turn_beside_somebody_who_says_little() {
    let mut house = House::new();
    let clients: Vec<_> = (0..6).map(|_| house.connect()).collect();
    let (mut quiet, _) = house.connect();
    let sessions: Vec<_> = clients.iter().map(|(_, session)| *session).collect();
    answer(&mut house, &sessions);
    let most = |house: &mut House, seconds| {
        house.turn(seconds, Hearing::Anew);
        (0..6).map(|_| answer(house, &sessions).iter().sum::<usize>() * ANSWER).max().unwrap()
    };
    assert!(most(&mut house, 0) >= 128 * KIB, "nobody else is there");
    quiet.write_all(&frame(100)).unwrap();
    while house.turn(0, Hearing::Anew).frames.is_empty() {}
    let beside = most(&mut house, 0);
    assert!((1..=32 * KIB + ANSWER).contains(&beside), "{beside}: half a receive buffer, and what goes over");
}

#[test]
fn who_waits_for_an_answer_is_not_read_again_until_more_comes() {
    let mut house = House::new();
    let (mut client, session) = house.connect();
    while !house.sockets.ready.is_empty() {
        house.turn(0, Hearing::Anew);
    }
    for _ in 0..3 {
        client.write_all(&frame(100)).unwrap();
        let mut heard = house.turn(0, Hearing::Anew);
        while heard.frames.is_empty() {
            heard = house.turn(0, Hearing::Anew);
        }
        assert_eq!(heard.frames, [(session, 100)]);
        assert!(house.sockets.ready.is_empty(), "it was read to its end");
    }
}

#[test]
fn a_client_that_says_something_and_goes_at_once_is_heard_and_known_to_be_gone() {
    let mut house = House::new();
    // Half a frame and a whole one: what is left over when it goes must not keep it.
    for last in [frame(100), [frame(100), frame(100)[..50].to_vec()].concat()] {
        let (mut client, session) = house.connect();
        client.write_all(&last).unwrap();
        drop(client);
        // Its bytes and its end come with one event.
        std::thread::sleep(Duration::from_millis(20));
        let (mut frames, mut closed) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let heard = house.turn(0, Hearing::Anew);
            frames.extend(heard.frames);
            closed.extend(heard.closed);
        }
        assert_eq!(frames, [(session, 100)]);
        assert_eq!(closed, [CloseReason::Peer]);
    }
}

#[test]
fn a_frame_that_is_not_whole_in_time_closes_its_connection() {
    let mut house = House::new();
    let (mut trickling, _) = house.connect();
    let (mut steady, session) = house.connect();
    // Never at rest, always in the middle of a frame; but each takes a second.
    let frames = frame(1000).repeat(50);
    steady.write_all(&frames[..600]).unwrap();
    for second in 0..40 {
        trickling.write_all(&frame(1000)[second..=second]).unwrap();
        steady.write_all(&frames[600 + second * 1000..][..1000]).unwrap();
        let mut closed = Vec::new();
        for _ in 0..3 {
            closed.extend(house.turn(second as u64, Hearing::Anew).closed);
        }
        let Some(reason) = closed.pop() else { continue };
        assert!((20..=30).contains(&second), "after {second} s");
        assert!(matches!(&reason, CloseReason::Slow(why) if why.contains("limits.frame_timeout")), "{reason:?}");
        assert!(house.sockets.unread(session).is_some(), "the steady one is served");
        return;
    }
    panic!("it is waited for");
}

#[test]
fn time_in_which_a_connection_was_not_read_does_not_count_for_its_frame() {
    let mut house = House::new();
    let (mut client, session) = house.connect();
    client.write_all(&frame(1000)[..500]).unwrap();
    house.turn(0, Hearing::Anew);
    house.turn(0, Hearing::Anew);
    house.sockets.pause(session, true);
    for second in 1..100 {
        assert_eq!(house.turn(second, Hearing::Anew).closed, []);
    }
    house.sockets.pause(session, false);
    client.write_all(&frame(1000)[500..]).unwrap();
    let mut heard = house.turn(100, Hearing::Anew);
    while heard.frames.is_empty() {
        assert_eq!(heard.closed, []);
        heard = house.turn(100, Hearing::Anew);
    }
    assert_eq!(heard.frames, [(session, 1000)]);
}

/// Frames of a few bytes and of more than is read at a time, cut anywhere, are handed over whole and in order.
#[test]
fn frames_come_as_they_were_sent_wherever_they_are_cut() {
    let mut house = House::new();
    let (mut client, _) = house.connect();
    let mut state = 7_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut sent = Vec::new();
    for number in 0..300 {
        let mut bytes = frame(8 + random([50, 1_500, 40_000, 200_000][number % 4]));
        for (at, byte) in bytes.iter_mut().enumerate().skip(8) {
            *byte = (number + at / 3) as u8;
        }
        sent.extend(bytes);
    }
    let (mut heard, mut at) = (Vec::new(), 0);
    while heard.len() < sent.len() {
        let most = [60, 3_000, 100_000][random(3)];
        let end = sent.len().min(at + 1 + random(most));
        at += client.write(&sent[at..end]).unwrap_or(0);
        house.sockets.wait(Some(Duration::from_millis(1)), 0, Hearing::Anew).unwrap();
        house.sockets.turn(Hearing::Anew, |event| {
            match event {
                Event::Frame { frame, .. } => {
                    heard.extend(((frame.consumed - 4) as u32).to_be_bytes());
                    heard.extend((frame.header.len() as u32).to_be_bytes());
                    heard.extend(frame.header);
                    heard.extend(frame.body);
                }
                Event::Closed { reason, .. } => panic!("{reason:?}"),
                Event::Opened { .. } | Event::Refused { .. } => {}
            }
            Verdict::Keep
        });
        assert!(heard == sent[..heard.len()], "what is heard differs before {}", heard.len());
    }
}

#[test]
fn memory_of_answers_goes_from_one_connection_to_the_next() {
    let mut house = House::new();
    let ((mut first, one), (_second, two)) = (house.connect(), house.connect());
    house.sockets.out(one).unwrap().extend([1; 100 * KIB]);
    for turn in 0.. {
        house.sockets.flush();
        if house.sockets.unread(one) == Some(0) {
            break;
        }
        assert!(turn < 1000, "it is not sent");
        // Who reads what there is makes room for more.
        let _ = first.read(&mut [0; 64 * KIB]);
        house.sockets.out(one).unwrap();
    }
    let lent = house.sockets.out(two).unwrap();
    assert!(lent.is_empty() && lent.capacity() >= 100 * KIB, "{}", lent.capacity());
    assert!(house.sockets.out(one).unwrap().capacity() == 0, "it was taken back");
}
