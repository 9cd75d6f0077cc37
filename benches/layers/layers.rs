//! CPU cost of each protocol layer in memory, compared with a simple implementation or another crate:
//!
//!     cargo bench --manifest-path benches/layers/Cargo.toml

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::io::Cursor;
use throng::ws::head::{HeadScan, Limits, Request};
use throng::ws::{Event, Protocol, Role, mask, utf8};
use throng::ws::{Opcode, deflate::Inflater, frame, handshake};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const SIZES: [usize; 4] = [16, 125, 1024, 64 << 10];

fn main() {
    divan::main();
}

/// The request with which Chromium opens a chat.
const HEAD: &[u8] = b"GET /chat/lobby HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/156.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: http://127.0.0.1:8080\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: throng.v1\r\n\r\n";

#[divan::bench_group]
mod head {
    use super::*;

    #[divan::bench]
    fn throng_scan_parse_and_check() -> bool {
        let limits = Limits { request_line: 8192, head: 16384, fields: 100 };
        let head = black_box(HEAD);
        let len = HeadScan::default().advance(head, &limits);
        len == Ok(Some(head.len()))
            && Request::parse(head, &limits, |request| {
                handshake::check(request).is_ok() && handshake::deflate(request, false).is_ok()
            })
            .is_ok_and(|accepted| accepted)
    }

    #[divan::bench]
    fn httparse_alone() -> bool {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        httparse::Request::new(&mut fields).parse(black_box(HEAD)).is_ok_and(|status| status.is_complete())
    }
}

fn masked(size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode_masked(Opcode::Text, "a".repeat(size).as_bytes(), KEY, &mut bytes);
    bytes
}

#[divan::bench_group]
mod header {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn throng(bencher: Bencher, size: usize) {
        let bytes = masked(size);
        bencher.bench(|| frame::Header::decode(black_box(&bytes), true));
    }

    #[divan::bench(args = SIZES)]
    fn tungstenite(bencher: Bencher, size: usize) {
        let bytes = masked(size);
        bencher.bench(|| FrameHeader::parse(&mut Cursor::new(black_box(&bytes))));
    }
}

#[divan::bench_group]
mod unmask {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn throng(bencher: Bencher, size: usize) {
        let mut payload = vec![1; size];
        bencher.counter(BytesCount::new(size)).bench_local(|| mask::apply(KEY, 0, black_box(&mut payload)));
    }

    #[divan::bench(args = SIZES)]
    fn fastwebsockets(bencher: Bencher, size: usize) {
        let mut payload = vec![1; size];
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            let payload = fastwebsockets::Payload::BorrowedMut(black_box(&mut payload));
            fastwebsockets::Frame::new(true, fastwebsockets::OpCode::Binary, Some(KEY), payload).unmask();
        });
    }

    #[divan::bench(args = SIZES)]
    fn byte_by_byte(bencher: Bencher, size: usize) {
        let mut payload = vec![1; size];
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            for (index, byte) in black_box(&mut payload).iter_mut().enumerate() {
                *byte ^= KEY[index % 4];
            }
        });
    }
}

#[divan::bench_group]
mod utf_8 {
    use super::*;

    /// Feeds pieces of 1,000 bytes, which split characters.
    #[divan::bench(args = [1024, 64 << 10])]
    fn throng_in_pieces(bencher: Bencher, size: usize) {
        let text = "好a".repeat(size / 4);
        bencher.counter(BytesCount::new(size)).bench(|| {
            let mut gathered = utf8::Gathered::default();
            black_box(&text).as_bytes().chunks(1000).try_for_each(|piece| gathered.push(piece))?;
            gathered.finish()
        });
    }

    #[divan::bench(args = [1024, 64 << 10])]
    fn std_whole(bencher: Bencher, size: usize) {
        let text = "好a".repeat(size / 4);
        bencher
            .counter(BytesCount::new(size))
            .bench(|| String::from_utf8(black_box(&text).as_bytes().to_vec()).is_ok());
    }
}

#[divan::bench_group]
mod encode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn throng(bencher: Bencher, size: usize) {
        let payload = vec![b'a'; size];
        let mut out = Vec::with_capacity(size + 14);
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            frame::encode(Opcode::Text, black_box(&payload), &mut out);
        });
    }

    #[divan::bench(args = SIZES)]
    fn tungstenite(bencher: Bencher, size: usize) {
        let payload = bytes::Bytes::from(vec![b'a'; size]);
        let mut out = Vec::with_capacity(size + 14);
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            Frame::message(black_box(&payload).clone(), OpCode::Data(Data::Text), true).format(&mut out)
        });
    }

    #[divan::bench(args = SIZES)]
    fn fastwebsockets(bencher: Bencher, size: usize) {
        let payload = vec![b'a'; size];
        let mut out = Vec::with_capacity(size + 14);
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            let payload = fastwebsockets::Payload::Borrowed(black_box(&payload));
            fastwebsockets::Frame::text(payload).write(&mut out).len()
        });
    }
}

/// Sends a message to a room of members in memory. Some percent of the members do not accept it at first.
#[divan::bench_group]
mod fan_out {
    use super::*;

    #[divan::bench(args = [(1000, 0), (10_000, 0), (10_000, 1), (10_000, 50)])]
    fn throng(bencher: Bencher, (members, refusing): (usize, usize)) {
        let mut crowd = throng::net::measure::Crowd::new(members, refusing);
        let text = [b'a'; 64];
        bencher.counter(ItemsCount::new(members)).bench_local(|| crowd.hear(black_box(&text)));
    }

    /// The cost of visiting every member without doing anything else.
    #[divan::bench(args = [1000, 10_000])]
    fn floor(bencher: Bencher, members: usize) {
        let mut members: Vec<(u32, u64)> = (0..members).map(|slot| (slot as u32, 0)).collect();
        bencher.counter(ItemsCount::new(members.len())).bench_local(|| {
            for (slot, written) in &mut members {
                *written += black_box(66) + u64::from(*slot);
            }
        });
    }

    /// The cost of queueing a separate message for each member.
    #[divan::bench(args = [1000, 10_000])]
    fn a_queue_for_each(bencher: Bencher, members: usize) {
        let mut queues = vec![std::collections::VecDeque::new(); members];
        let text = bytes::Bytes::from_static(&[b'a'; 66]);
        bencher.counter(ItemsCount::new(members)).bench_local(|| {
            queues.iter_mut().for_each(|queue| queue.push_back(black_box(&text).clone()));
            queues.iter_mut().for_each(|queue| drop(black_box(queue.pop_front())));
        });
    }
}

/// Decodes a read of 64 KiB that contains masked frames.
#[divan::bench_group]
mod messages_of_a_read {
    use super::*;

    fn read(size: usize) -> (Vec<u8>, usize) {
        let frame = masked(size);
        let count = (64 << 10) / frame.len();
        (frame.repeat(count), count)
    }

    #[divan::bench(args = [16, 125, 1024])]
    fn throng(bencher: Bencher, size: usize) {
        let (bytes, count) = read(size);
        let mut protocol = Protocol::new(Role::Server, 1 << 20);
        let mut inflater = Inflater::default();
        bencher.counter(ItemsCount::new(count)).with_inputs(|| bytes.clone()).bench_local_refs(|bytes| {
            let mut input = &mut bytes[..];
            let mut messages = 0;
            while let Ok(Some(Event::Message(_))) = protocol.receive(&mut input, &mut inflater) {
                messages += 1;
            }
            assert_eq!(messages, count);
        });
    }

    #[divan::bench(args = [16, 125, 1024])]
    fn tungstenite(bencher: Bencher, size: usize) {
        let (bytes, count) = read(size);
        bencher.counter(ItemsCount::new(count)).with_inputs(|| bytes.clone()).bench_local_values(|bytes| {
            let stream = Cursor::new(bytes);
            let role = tungstenite::protocol::Role::Server;
            let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, None);
            for _ in 0..count {
                socket.read().expect("a message");
            }
        });
    }
}

/// Echoes the messages of a read of 64 KiB that contains masked frames: receives and sends each.
#[divan::bench_group]
mod echo_of_a_read {
    use super::*;
    use std::io::{Read, Write};
    use std::pin::pin;
    use std::task::{Context, Waker};
    use throng::ws::{Codec, Config, Connection};

    fn read(size: usize) -> (Vec<u8>, usize) {
        let frame = masked(size);
        let count = (64 << 10) / frame.len();
        (frame.repeat(count), count)
    }

    #[divan::bench(args = [16, 125, 1024])]
    fn throng(bencher: Bencher, size: usize) {
        let (bytes, count) = read(size);
        let (mut connection, mut codec) = (Connection::server(None, &Config::default()), Codec::new());
        let mut output = Vec::with_capacity(2 * bytes.len());
        bencher.counter(ItemsCount::new(count)).with_inputs(|| bytes.clone()).bench_local_refs(|bytes| {
            let mut input = &mut bytes[..];
            connection.swap_buffer(&mut output);
            while let Ok(Some(Event::Message(message))) = connection.receive(&mut input, &mut codec) {
                connection.send(&message, &mut codec).expect("it is open");
            }
            assert!(black_box(connection.output()).len() >= count * size);
            connection.wrote(connection.output().len());
            connection.swap_buffer(&mut output);
        });
    }

    /// A stream that has received `received` and ignores what is written.
    struct Stream {
        received: Cursor<Vec<u8>>,
    }

    impl Read for Stream {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.received.read(buffer)
        }
    }

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(black_box(bytes).len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[divan::bench(args = [16, 125, 1024])]
    fn tungstenite(bencher: Bencher, size: usize) {
        let (bytes, count) = read(size);
        bencher.counter(ItemsCount::new(count)).with_inputs(|| bytes.clone()).bench_local_values(|bytes| {
            let stream = Stream { received: Cursor::new(bytes) };
            let role = tungstenite::protocol::Role::Server;
            let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, None);
            for _ in 0..count {
                let message = socket.read().expect("a message");
                socket.write(message).expect("it is open");
            }
            socket.flush().expect("it is open");
        });
    }

    #[divan::bench(args = [16, 125, 1024])]
    fn fastwebsockets(bencher: Bencher, size: usize) {
        let (bytes, count) = read(size);
        bencher.counter(ItemsCount::new(count)).with_inputs(|| bytes.clone()).bench_local_values(|bytes| {
            let stream = tokio::io::join(Cursor::new(bytes), tokio::io::sink());
            let echo = async {
                let role = fastwebsockets::Role::Server;
                let mut socket = fastwebsockets::WebSocket::after_handshake(stream, role);
                for _ in 0..count {
                    let frame = socket.read_frame().await.expect("a message");
                    socket.write_frame(frame).await.expect("it is open");
                }
            };
            assert!(pin!(echo).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        });
    }
}
