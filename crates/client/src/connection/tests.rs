use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

/// A server that does with each connection what it is told to.
async fn serve<F, Fut>(serve: F) -> String
where
    F: FnOnce(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        serve(socket).await;
    });
    address
}

/// The next request: its code, correlation id, and body.
async fn next(socket: &mut TcpStream, received: &mut Vec<u8>) -> Option<(i32, i32, Vec<u8>)> {
    loop {
        if let Some(frame) = scan(received, FRAME_SIZE_MAX).unwrap() {
            let mut buffer = HeaderBuffer::new();
            let header = buffer.decode(&frame).unwrap();
            let found = (header.code, header.opaque, frame.body.to_vec());
            let consumed = frame.consumed;
            received.drain(..consumed);
            return Some(found);
        }
        if socket.read_buf(received).await.unwrap() == 0 {
            return None;
        }
    }
}

async fn answer(socket: &mut TcpStream, opaque: i32, body: &[u8]) {
    let mut out = Vec::new();
    append_answer(&mut out, opaque, 0, None, body).unwrap();
    socket.write_all(&out).await.unwrap();
}

#[tokio::test]
async fn answers_find_whoever_asked_in_whatever_order_they_come() {
    let address = serve(|mut socket| async move {
        let mut received = Vec::new();
        let mut asked = Vec::new();
        for _ in 0..3 {
            asked.push(next(&mut socket, &mut received).await.unwrap());
        }
        for (_, opaque, body) in asked.iter().rev() {
            answer(&mut socket, *opaque, body).await;
        }
        assert_eq!(next(&mut socket, &mut received).await, None);
    })
    .await;
    let connection = Connection::connect(&address, PATIENCE).await.unwrap();
    let ask = |body: &'static [u8]| {
        let connection = connection.clone();
        async move { connection.request(&Request::new(11, &[]).with_body(body), PATIENCE).await.unwrap().body().clone() }
    };
    let (one, two, three) = tokio::join!(ask(b"one"), ask(b"two"), ask(b"three"));
    assert_eq!((&one[..], &two[..], &three[..]), (&b"one"[..], &b"two"[..], &b"three"[..]));
}

#[tokio::test]
async fn whoever_waits_hears_that_the_connection_ended() {
    let address = serve(|mut socket| async move {
        next(&mut socket, &mut Vec::new()).await.unwrap();
    })
    .await;
    let connection = Connection::connect(&address, PATIENCE).await.unwrap();
    let error = connection.request(&Request::new(310, &[]), PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }) && error.outcome_is_unknown(), "{error}");
    assert!(connection.is_closed());
    let error = connection.request(&Request::new(310, &[]), PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && !error.outcome_is_unknown(), "{error}");
}

#[tokio::test]
async fn a_late_answer_is_nobodys_and_harms_nobody() {
    let address = serve(|mut socket| async move {
        let mut received = Vec::new();
        let (_, first, _) = next(&mut socket, &mut received).await.unwrap();
        let (_, second, _) = next(&mut socket, &mut received).await.unwrap();
        answer(&mut socket, first, b"late").await;
        answer(&mut socket, second, b"in time").await;
        next(&mut socket, &mut received).await;
    })
    .await;
    let connection = Connection::connect(&address, PATIENCE).await.unwrap();
    let error = connection.request(&Request::new(1, &[]), Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(lock(&connection.owner.shared.waiting).as_ref().unwrap().is_empty());
    let response = connection.request(&Request::new(2, &[]), PATIENCE).await.unwrap();
    assert_eq!(&response.body()[..], b"in time");
}

#[tokio::test]
async fn a_request_of_the_broker_that_nobody_serves_is_answered_so() {
    let (heard, told) = oneshot::channel();
    let address = serve(|mut socket| async move {
        let mut out = Vec::new();
        Request::new(307, &[]).append(&mut out, 77, false).unwrap();
        socket.write_all(&out).await.unwrap();
        heard.send(next(&mut socket, &mut Vec::new()).await.unwrap()).unwrap();
    })
    .await;
    let _connection = Connection::connect(&address, PATIENCE).await.unwrap();
    let (code, opaque, _) = told.await.unwrap();
    assert_eq!((code, opaque), (ResponseCode::REQUEST_CODE_NOT_SUPPORTED.0, 77));
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_left() {
    let address = serve(|mut socket| async move {
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        socket.read_buf(&mut Vec::new()).await.unwrap();
    })
    .await;
    let connection = Connection::connect(&address, PATIENCE).await.unwrap();
    let error = connection.request(&Request::new(1, &[]), PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_nobody_holds_is_closed() {
    let (heard, told) = oneshot::channel();
    let address = serve(|mut socket| async move {
        heard.send(next(&mut socket, &mut Vec::new()).await).unwrap();
    })
    .await;
    drop(Connection::connect(&address, PATIENCE).await.unwrap());
    assert_eq!(told.await.unwrap(), None);
}

#[tokio::test]
async fn nobody_there_is_an_error_that_says_where() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Connection::connect(&address, PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains(&address) && error.is_retryable() && !error.outcome_is_unknown());
}
