//! Chat in its four formats, as members meet it.

use crate::support::{Client, PATIENCE, Raw, Server, handshake};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::Message;

/// A `json` member that has joined the room, and the `joined` it got.
#[track_caller]
fn join(server: &Server, room: &str, name: &str) -> (Client, Value) {
    let mut client = server.ws(&format!("/chat/{room}?name={name}"));
    let welcome = client.json();
    assert_eq!((&welcome["type"], &welcome["name"]), (&json!("welcome"), &json!(name)));
    let joined = client.json();
    assert_eq!((&joined["type"], &joined["room"]), (&json!("joined"), &json!(room)));
    (client, joined)
}

/// A member of another format.
fn member(server: &Server, room: &str, format: &str, name: &str) -> Client {
    server.ws(&format!("/chat/{room}?format={format}&name={name}"))
}

#[track_caller]
fn send(client: &mut Client, request: Value) {
    client.say(&request.to_string());
}

fn say(client: &mut Client, text: &str) {
    send(client, json!({"type": "say", "text": text}));
}

/// Asserts that nothing but comings and goings waits for the member.
#[track_caller]
fn assert_hears_nothing(client: &mut Client) {
    send(client, json!({"type": "ping"}));
    loop {
        let heard = client.json();
        match heard["type"].as_str() {
            Some("pong") => return,
            Some("join" | "leave") => {}
            _ => panic!("heard {heard}"),
        }
    }
}

/// Asserts that a line is `HH:MM:SS` and then this.
#[track_caller]
fn assert_line(line: &str, rest: &str) {
    let clock: Vec<&str> = line.get(..8).unwrap_or_default().split(':').collect();
    assert!(
        clock.len() == 3 && clock.iter().all(|part| part.len() == 2 && part.parse::<u8>().is_ok()),
        "no time: {line:?}"
    );
    assert_eq!(&line[8..], rest);
}

/// Asserts that a fragment shows this, already escaped.
#[track_caller]
fn assert_fragment(fragment: &str, name: &str, text: &str) {
    assert!(fragment.starts_with(r#"<div class="message">"#) && fragment.ends_with("</div>"), "{fragment}");
    assert!(fragment.contains(&format!(">{name}<")) && fragment.contains(&format!(">{text}<")), "{fragment}");
}

#[test]
fn members_of_every_format_follow_the_same_conversation() {
    let server = Server::start(&[]);
    let (mut ann, _) = join(&server, "lobby", "ann");
    // The root speaks lines, in the lobby; so does the subprotocol `chat` anywhere.
    let mut bob = server.ws("/?name=bob");
    let (mut cid, answer) = server.ws_with("/chat?name=cid", &[("Sec-WebSocket-Protocol", "other, chat")]);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    let mut dot = member(&server, "lobby", "html", "dot");
    // The members in lines before it are notified of each newcomer.
    for expected in ["Welcome bob !", "Welcome cid !", "Welcome dot !"] {
        assert_eq!(bob.text(), expected);
    }
    for expected in ["Welcome cid !", "Welcome dot !"] {
        assert_eq!(cid.text(), expected);
    }
    let mut offset = 0;
    for speaker in ["ann", "bob", "cid", "dot"] {
        let text = format!("你好 from {speaker}");
        match speaker {
            "ann" => say(&mut ann, &text),
            "bob" => bob.say(&text),
            "cid" => cid.say(&format!("{text}\r\n")),
            _ => dot.say(&text),
        }
        offset += 1;
        let heard = ann.json_of("message");
        assert_eq!(
            (&heard["name"], &heard["text"], &heard["offset"], &heard["room"]),
            (&json!(speaker), &json!(text), &json!(offset), &json!("lobby"))
        );
        assert_line(&bob.text(), &format!(" {speaker} say: {text}"));
        assert_line(&cid.text(), &format!(" {speaker} say: {text}"));
        assert_fragment(&dot.text(), speaker, &text);
    }
    // Members of another room receive none of it.
    let (mut eve, joined) = join(&server, "elsewhere", "eve");
    assert_eq!((&joined["offset"], &joined["history"]), (&json!(0), &json!([])));
    assert_hears_nothing(&mut eve);
}

#[test]
fn raw_relays_text_and_binary_as_they_are_among_raw_alone() {
    let server = Server::start(&["--max-message", "1000", "--max-echo-message", "2000"]);
    let (mut json, _) = join(&server, "den", "ann");
    let mut one = member(&server, "den", "raw", "one");
    let mut two = member(&server, "den", "raw", "two");
    // A newcomer is a member as soon as its handshake is answered.
    let long = "x".repeat(1500);
    let messages = [
        Message::text("plain"),
        Message::text(""),
        Message::binary(vec![0, 255, 1]),
        Message::text(r#"{"type":"say","text":"verbatim"}"#),
        Message::text(long),
    ];
    for message in messages {
        one.send(message.clone());
        assert_eq!(one.next(), message);
        assert_eq!(two.next(), message);
    }
    assert_hears_nothing(&mut json);
    say(&mut json, "not for raw");
    assert_eq!(json.json_of("message")["offset"], 1);
    two.say("next");
    assert_eq!(one.text(), "next");
    // Nobody replays it.
    let mut late = member(&server, "den", "raw", "late");
    two.say("first for late");
    assert_eq!(late.text(), "first for late");
}

#[test]
fn lines_greets_logs_out_and_takes_an_empty_message_for_a_heartbeat() {
    let server = Server::start(&[]);
    let mut ann = server.ws("/?name=ann");
    assert_eq!(ann.text(), "Welcome ann !");
    let mut bob = server.ws("/?name=bob");
    assert_eq!(bob.text(), "Welcome bob !");
    assert_eq!(ann.text(), "Welcome bob !");
    ann.say("");
    ann.say("hi");
    assert_line(&bob.text(), " ann say: hi");
    assert_line(&ann.text(), " ann say: hi");
    // Nobody writes another's line.
    ann.say("one\n12:00:00 bob say: forged");
    let line = bob.text();
    assert!(!line.contains('\n'), "{line:?}");
    ann.text();
    ann.say("/nick anna");
    assert!(ann.text().contains("anna") && bob.text().contains("anna"));
    ann.say("/who");
    let who = ann.text();
    assert!(who.contains("anna") && who.contains("bob"), "{who}");
    ann.say("/help");
    assert!(ann.text().contains("/nick"));
    for quit in ["quit", "/quit"] {
        let mut leaver = server.ws("/?name=leaver");
        assert_eq!(leaver.text(), "Welcome leaver !");
        assert_eq!(bob.text(), "Welcome leaver !");
        leaver.say(quit);
        assert_eq!(leaver.closed_with().0, 1000);
        assert_line(&bob.text(), " leaver say: Logout");
    }
    // `/join` moves the member: the old room receives a logout, and further lines are sent to the new one.
    let mut cid = member(&server, "den", "lines", "cid");
    assert_eq!(cid.text(), "Welcome cid !");
    ann.say("/join den");
    assert_eq!(cid.text(), "Welcome anna !");
    assert_line(&bob.text(), " anna say: Logout");
    ann.say("moved");
    assert_line(&cid.text(), " anna say: moved");
}

#[test]
fn json_sends_welcome_then_joined_then_messages_with_consecutive_offsets() {
    let server = Server::start(&[]);
    let (mut ann, joined) = join(&server, "den", "ann");
    assert_eq!(
        (&joined["offset"], &joined["online"], &joined["recovered"]),
        (&json!(0), &json!(1), &json!(false))
    );
    assert!(joined["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()));
    for offset in 1..=5 {
        send(&mut ann, json!({"type": "say", "room": "den", "text": "hi", "id": format!("mark {offset}")}));
        let heard = ann.json();
        assert_eq!((&heard["type"], &heard["offset"]), (&json!("message"), &json!(offset)));
        assert_eq!((&heard["name"], &heard["id"]), (&json!("ann"), &json!(format!("mark {offset}"))));
        let time = heard["time"].as_str().unwrap();
        assert!(time.len() == "2000-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{time}");
    }
    send(&mut ann, json!({"message": "the short form"}));
    assert_eq!(ann.json()["text"], "the short form");
    // Asked for by the subprotocol, and with what the server is.
    let (mut bob, answer) =
        server.ws_with("/chat/den?name=bob", &[("Sec-WebSocket-Protocol", "throng.v1, chat")]);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "throng.v1");
    let welcome = bob.json();
    assert_eq!((&welcome["type"], &welcome["name"]), (&json!("welcome"), &json!("bob")));
    assert!(welcome["server"].as_str().unwrap().starts_with("throng/"));
    assert_eq!(welcome["limits"]["text"], 16 << 10);
    let joined = bob.json();
    assert_eq!(
        (&joined["type"], &joined["offset"], &joined["online"]),
        (&json!("joined"), &json!(6), &json!(2))
    );
    assert_eq!(joined["history"].as_array().unwrap().len(), 6);
    assert_eq!(joined["members"].as_array().unwrap().len(), 2);
    let come = ann.json();
    assert_eq!(
        (&come["type"], &come["uid"], &come["name"], &come["online"]),
        (&json!("join"), &welcome["uid"], &json!("bob"), &json!(2))
    );
    // Everything else a client can ask for.
    send(&mut bob, json!({"type": "ping"}));
    assert_eq!(bob.json()["type"], "pong");
    send(&mut bob, json!({"type": "who"}));
    assert_eq!(bob.json()["online"], 2);
    send(&mut bob, json!({"type": "nick", "name": "rob"}));
    assert_eq!((&bob.json()["name"], &ann.json()["was"]), (&json!("rob"), &json!("bob")));
    send(&mut bob, json!({"type": "leave", "room": "den"}));
    assert_eq!(bob.json()["type"], "left");
    let gone = ann.json();
    assert_eq!((&gone["type"], &gone["name"], &gone["online"]), (&json!("leave"), &json!("rob"), &json!(1)));
}

#[test]
fn a_bad_request_is_answered_with_an_error_and_the_connection_stays_open() {
    let server = Server::start(&[]);
    let (mut ann, _) = join(&server, "den", "ann");
    let table = [
        ("no json", "bad_json"),
        ("[]", "bad_request"),
        (r#"{"text":"a"}"#, "bad_request"),
        (r#"{"type":"say"}"#, "bad_request"),
        (r#"{"type":"say","text":7,"id":"mark"}"#, "bad_request"),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (r#"{"type":"say","room":"other","text":"a"}"#, "not_in_room"),
        (r#"{"type":"say","text":"  "}"#, "text_empty"),
        (r#"{"type":"join","room":""}"#, "bad_room"),
        (r#"{"type":"nick","name":""}"#, "bad_name"),
    ];
    for (request, code) in table {
        ann.say(request);
        let error = ann.json();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{request}: {error}");
        assert_eq!(error.get("id").is_some(), request.contains("mark"), "{error}");
        assert!(error["message"].as_str().unwrap().ends_with('.'), "{error}");
    }
    say(&mut ann, "still here");
    assert_eq!(ann.json()["offset"], 1);
}

#[test]
fn a_returning_member_receives_exactly_the_messages_it_missed() {
    let server = Server::start(&["--history", "3"]);
    let (mut ann, joined) = join(&server, "den", "ann");
    let epoch = joined["epoch"].as_str().unwrap();
    for index in 1..=5 {
        say(&mut ann, &format!("text {index}"));
        ann.json_of("message");
    }
    // The room still holds 3, 4 and 5.
    let table = [
        (5, epoch, true, vec![]),
        (4, epoch, true, vec![5]),
        (2, epoch, true, vec![3, 4, 5]),
        (1, epoch, false, vec![3, 4, 5]),
        (6, epoch, false, vec![3, 4, 5]),
        (4, "another", false, vec![3, 4, 5]),
    ];
    for (since, epoch, recovered, offsets) in table {
        let check = |joined: Value| {
            assert_eq!(joined["type"], "joined", "{joined}");
            assert_eq!(
                (&joined["recovered"], &joined["offset"]),
                (&json!(recovered), &json!(5)),
                "since {since}"
            );
            let history = joined["history"].as_array().unwrap();
            let found: Vec<_> = history.iter().map(|message| message["offset"].as_u64().unwrap()).collect();
            assert_eq!(found, offsets, "since {since}");
            assert!(history.iter().all(|message| {
                message["type"] == "message" && message["text"] == format!("text {}", message["offset"])
            }));
        };
        let mut by_url = server.ws(&format!("/chat/den?since={since}&epoch={epoch}"));
        assert_eq!(by_url.json()["type"], "welcome");
        check(by_url.json());
        let (mut by_join, _) = join(&server, "elsewhere", "bob");
        send(&mut by_join, json!({"type": "join", "room": "den", "since": since, "epoch": epoch}));
        check(by_join.json());
        // What follows continues.
        assert_hears_nothing(&mut by_join);
        by_url.socket.close(None).unwrap();
        by_join.socket.close(None).unwrap();
        for leaver in [&mut by_url, &mut by_join] {
            while leaver.socket.read().is_ok() {}
        }
    }
    // A connection that broke, with messages said while it was away.
    let (lost, joined) = join(&server, "den", "lost");
    let since = joined["offset"].as_u64().unwrap();
    drop(lost);
    while ann.json_of("leave")["name"] != "lost" {}
    say(&mut ann, "missed");
    ann.json_of("message");
    let mut back = server.ws(&format!("/chat/den?name=lost&since={since}&epoch={epoch}"));
    assert_eq!(back.json()["name"], "lost");
    let joined = back.json();
    assert_eq!((&joined["recovered"], &joined["history"][0]["text"]), (&json!(true), &json!("missed")));
    say(&mut ann, "live");
    assert_eq!(back.json_of("message")["offset"], since + 2);
}

#[test]
fn a_taken_name_is_refused_and_free_again_afterwards() {
    let server = Server::start(&[]);
    let (mut ann, _) = join(&server, "den", "ann");
    let mut other = server.ws("/chat/den?name=ann");
    let welcome = other.json();
    assert_ne!(welcome["name"], "ann");
    assert_eq!(other.json()["code"], "name_taken");
    assert_eq!(other.json()["type"], "joined");
    send(&mut other, json!({"type": "nick", "name": "ann", "id": "mark"}));
    let error = other.json();
    assert_eq!((&error["code"], &error["id"]), (&json!("name_taken"), &json!("mark")));
    ann.socket.close(None).unwrap();
    other.json_of("leave");
    send(&mut other, json!({"type": "nick", "name": "ann"}));
    assert_eq!(other.json()["name"], "ann");
}

#[test]
fn html_greets_with_the_uid_and_escapes_what_members_write() {
    let server = Server::start(&[]);
    let (mut ann, _) = join(&server, "den", "ann");
    let mut dot = server.ws("/chat/den?format=html&greeting=uid&name=dot%3Cb%3E");
    let come = ann.json_of("join");
    assert_eq!(come["name"], "dot<b>");
    assert_eq!(dot.text(), come["uid"]);
    let nasty = r#"<script>alert("1")</script> & 'more'"#;
    let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;";
    // As text, and as an object, whose uid is ignored.
    for message in [nasty.to_owned(), json!({"message": nasty, "uid": "forged"}).to_string()] {
        dot.say(&message);
        assert_fragment(&dot.text(), "dot&lt;b&gt;", escaped);
        let heard = ann.json_of("message");
        assert_eq!((&heard["text"], &heard["uid"]), (&json!(nasty), &come["uid"]));
    }
    // An object without a message is text like any other; a heartbeat is nothing.
    dot.say("");
    dot.say(r#"{"uid":"x"}"#);
    assert_eq!(ann.json_of("message")["text"], r#"{"uid":"x"}"#);
}

#[test]
fn a_format_or_room_that_cannot_be_is_refused() {
    let server = Server::start(&[]);
    for target in ["/chat?format=xml", "/chat?format=", "/?format=JSON"] {
        server.send(handshake(target)).reply().assert_refusal(400);
    }
    let room = |len: usize| "r".repeat(len);
    for format in ["lines", "html", "raw"] {
        for len in [63, 64] {
            let reply = server.send(handshake(&format!("/chat/{}?format={format}", room(len)))).reply();
            assert_eq!(reply.status, 101);
        }
        let reply = server.send(handshake(&format!("/chat/{}?format={format}", room(65)))).reply();
        reply.assert_refusal(400);
        server.send(handshake(&format!("/chat/%ff?format={format}"))).reply().assert_refusal(400);
    }
    // A browser hides the status from the page, so `json` is accepted and receives an error.
    let mut client = server.ws(&format!("/chat/{}", room(65)));
    assert_eq!(client.json()["type"], "welcome");
    let error = client.json();
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("bad_room")));
    send(&mut client, json!({"type": "join", "room": room(64)}));
    assert_eq!(client.json()["type"], "joined");
}

#[test]
fn formats_that_are_switched_off_are_refused_and_json_is_closed_so_that_a_browser_learns_why() {
    let server = Server::start(&["--formats", "lines,html"]);
    for target in ["/chat?format=raw", "/chat/den?format=raw"] {
        let reply = server.send(handshake(target)).reply();
        reply.assert_refusal(404);
        assert!(reply.text().contains("--formats are lines,html"), "{}", reply.text());
    }
    let (code, reason) = server.ws("/chat").closed_with();
    assert_eq!(
        (code, &*reason),
        (1008, "This server does not serve the format json; its --formats are lines,html.")
    );
    let mut ann = server.ws("/chat?format=lines&name=ann");
    ann.say("hello");
    assert_eq!(ann.text(), "Welcome ann !");
    assert!(ann.text().ends_with("ann say: hello"));
    assert!(server.ws("/chat?format=html").text().contains("hello"));
    server.assert_well();
}

#[test]
fn binary_is_closed_with_1003_where_text_is_needed() {
    let server = Server::start(&[]);
    for format in ["json", "lines", "html"] {
        let mut client = server.ws(&format!("/chat?format={format}"));
        client.send(Message::binary(vec![1, 2, 3]));
        assert_eq!(client.closed_with().0, 1003, "{format}");
    }
}

#[test]
fn texts_names_and_messages_may_be_as_long_as_their_limits() {
    let server = Server::start(&["--max-text", "100", "--max-name", "10", "--max-message", "1000"]);
    let (mut ann, _) = join(&server, "den", "ann");
    let mut bob = member(&server, "den", "lines", "bob");
    let mut dot = member(&server, "den", "html", "dot");
    assert_eq!([bob.text(), bob.text()], ["Welcome bob !", "Welcome dot !"]);
    for len in [99, 100] {
        let text = "x".repeat(len);
        say(&mut ann, &text);
        assert_eq!(ann.json_of("message")["text"], text);
        assert_line(&bob.text(), &format!(" ann say: {text}"));
        assert_fragment(&dot.text(), "ann", &text);
    }
    let over = "x".repeat(101);
    send(&mut ann, json!({"type": "say", "text": over, "id": "mark"}));
    let error = ann.json();
    assert_eq!((&error["code"], &error["id"]), (&json!("text_too_long"), &json!("mark")));
    bob.say(&over);
    let told = bob.text();
    assert!(told.contains("101") && told.contains("100"), "{told}");
    dot.say(&over);
    let told = dot.text();
    assert!(told.contains("101") && told.contains("100"), "{told}");
    assert_hears_nothing(&mut ann);
    // A name has characters, not bytes.
    for len in [9, 10] {
        let name = "名".repeat(len);
        send(&mut ann, json!({"type": "nick", "name": name}));
        assert_eq!(ann.json()["name"], name);
    }
    send(&mut ann, json!({"type": "nick", "name": "名".repeat(11)}));
    assert_eq!(ann.json()["code"], "bad_name");
    // The whole message is the protocol's to judge.
    for len in [999, 1000] {
        ann.say(&format!("{:len$}", r#"{"type":"ping"}"#));
        assert_eq!(ann.json()["type"], "pong");
    }
    ann.say(&format!("{:1001}", r#"{"type":"ping"}"#));
    let (code, reason) = ann.closed_with();
    assert_eq!(code, 1009);
    assert!(reason.contains("1000"), "{reason}");
}

#[test]
fn a_connection_can_join_rooms_up_to_the_limit() {
    let server = Server::start(&["--max-rooms-joined", "2"]);
    let (mut ann, _) = join(&server, "one", "ann");
    send(&mut ann, json!({"type": "join", "room": "two"}));
    assert_eq!(ann.json()["type"], "joined");
    say(&mut ann, "where?");
    assert_eq!(ann.json()["code"], "room_required");
    send(&mut ann, json!({"type": "join", "room": "three"}));
    assert_eq!(ann.json()["code"], "too_many_rooms");
    send(&mut ann, json!({"type": "leave", "room": "one"}));
    assert_eq!(ann.json()["room"], "one");
    send(&mut ann, json!({"type": "join", "room": "three"}));
    assert_eq!(ann.json()["type"], "joined");
}

#[test]
fn a_client_over_the_rate_receives_errors_and_finally_1008() {
    let server = Server::start(&["--rate", "5", "--burst", "5"]);
    let (mut bob, _) = join(&server, "den", "bob");
    let (mut ann, _) = join(&server, "den", "ann");
    bob.json_of("join");
    let deadline = Instant::now() + 6 * PATIENCE;
    let (mut said, mut refused, mut sent) = (Vec::new(), 0, 0);
    let close = loop {
        assert!(Instant::now() < deadline, "refused {refused} times and never closed");
        let id = format!("mark {sent}");
        // Once it is closed, this may fail, and why is still there to be read.
        let request = json!({"type": "say", "text": "hi", "id": id}).to_string();
        let _ = ann.socket.send(Message::text(request));
        sent += 1;
        match ann.next() {
            Message::Text(text) => {
                let heard: Value = serde_json::from_str(&text).unwrap();
                if heard["type"] == "message" {
                    said.push(id);
                } else {
                    assert_eq!((&heard["code"], &heard["id"]), (&json!("rate_limited"), &json!(id)));
                    assert!(sent > 5, "a burst of 5 is allowed");
                    refused += 1;
                }
            }
            Message::Close(close) => break close.expect("a code"),
            other => panic!("{other:?}"),
        }
        // The pace of the talker, not a wait for the server.
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(u16::from(close.code), 1008);
    assert!(close.reason.contains('5'), "{}", close.reason);
    assert!(refused > 0);
    // Exactly what was not refused was said.
    for id in said {
        assert_eq!(bob.json_of("message")["id"], id);
    }
    assert_eq!(bob.json()["type"], "leave");
}

#[test]
fn a_raw_client_over_the_rate_is_closed_at_once() {
    let server = Server::start(&["--rate", "5", "--burst", "5"]);
    // `raw` has no errors.
    let mut raw = member(&server, "den", "raw", "raw");
    for _ in 0..7 {
        raw.say("hi");
    }
    let (code, reason) = raw.closed_with();
    assert_eq!(code, 1008);
    assert!(reason.contains('5'), "{reason}");
}

#[test]
fn a_newcomer_reads_the_history_in_its_own_format() {
    let server = Server::start(&["--history", "2"]);
    let (mut ann, _) = join(&server, "den", "ann");
    for text in ["forgotten", "<one>", "two"] {
        say(&mut ann, text);
        ann.json_of("message");
    }
    let (_, joined) = join(&server, "den", "json");
    let texts: Vec<_> =
        joined["history"].as_array().unwrap().iter().map(|message| &message["text"]).collect();
    assert_eq!(texts, ["<one>", "two"]);
    let mut bob = member(&server, "den", "lines", "bob");
    assert_eq!(bob.text(), "Welcome bob !");
    assert_line(&bob.text(), " ann say: <one>");
    assert_line(&bob.text(), " ann say: two");
    let mut dot = member(&server, "den", "html", "dot");
    assert_fragment(&dot.text(), "ann", "&lt;one&gt;");
    assert_fragment(&dot.text(), "ann", "two");
    // And then what is said live, each message once.
    say(&mut ann, "three");
    assert_eq!(bob.text(), "Welcome dot !");
    assert_line(&bob.text(), " ann say: three");
    assert_fragment(&dot.text(), "ann", "three");
}

#[test]
fn a_room_over_the_presence_limit_reports_only_the_number_of_members() {
    let server = Server::start(&["--presence-limit", "3"]);
    let (mut ann, _) = join(&server, "den", "ann");
    let (_bob, _) = join(&server, "den", "bob");
    let (cid, joined) = join(&server, "den", "cid");
    assert_eq!(joined["members"].as_array().map(Vec::len), Some(3));
    for (name, online) in [("bob", 2), ("cid", 3)] {
        let come = ann.json();
        assert_eq!(
            (&come["type"], &come["name"], &come["online"]),
            (&json!("join"), &json!(name), &json!(online))
        );
    }
    let (dan, joined) = join(&server, "den", "dan");
    assert_eq!((&joined["online"], joined.get("members")), (&json!(4), None));
    let heard = ann.json();
    assert_eq!(
        (&heard["type"], &heard["room"], &heard["online"]),
        (&json!("online"), &json!("den"), &json!(4))
    );
    drop(dan);
    // It is small again, so everybody gets the list.
    let heard = ann.json();
    assert_eq!((&heard["type"], &heard["online"]), (&json!("who"), &json!(3)));
    assert_eq!(heard["members"].as_array().map(Vec::len), Some(3));
    drop(cid);
    let heard = ann.json();
    assert_eq!(
        (&heard["type"], &heard["name"], &heard["online"]),
        (&json!("leave"), &json!("cid"), &json!(2))
    );
}

#[test]
fn members_are_notified_when_a_connection_drops() {
    let server = Server::start(&[]);
    let (mut ann, _) = join(&server, "den", "ann");
    let mut bob = member(&server, "den", "lines", "bob");
    assert_eq!(bob.text(), "Welcome bob !");
    ann.json_of("join");
    for reset in [false, true] {
        let mut raw: Raw = server.open("/chat/den?name=gone");
        assert!(raw.frame().text().contains("welcome"));
        match reset {
            true => raw.reset(),
            false => drop(raw),
        }
        assert_eq!(ann.json()["type"], "join");
        let gone = ann.json();
        assert_eq!(
            (&gone["type"], &gone["name"], &gone["online"]),
            (&json!("leave"), &json!("gone"), &json!(2))
        );
        assert_eq!(bob.text(), "Welcome gone !");
        assert_line(&bob.text(), " gone say: Logout");
    }
}

#[test]
fn names_that_look_the_same_are_not_present_together() {
    let server = Server::start(&[]);
    let (mut zoe, _) = join(&server, "den", "zoe");
    for (taken, same) in [("Νίκος", "ΝΊΚΟΣ"), ("Straße", "STRASSE"), ("paul", "p\u{430}ul"), ("Ⅳ", "iv")]
    {
        send(&mut zoe, json!({"type": "nick", "name": taken}));
        assert_eq!(zoe.json_of("nick")["name"], taken);
        let mut other = server.ws("/chat/other");
        other.json_of("joined");
        send(&mut other, json!({"type": "nick", "name": same, "id": "mark"}));
        let error = other.json();
        assert_eq!((&error["code"], &error["id"]), (&json!("name_taken"), &json!("mark")), "{same}");
    }
    // Shown composed, in whatever form it was sent.
    send(&mut zoe, json!({"type": "nick", "name": "Jose\u{301}"}));
    assert_eq!(zoe.json_of("nick")["name"], "José");
    for (name, rule) in [
        ("guest\u{2010}ab12", "guest"),
        ("a\u{200B}", "unprintable"),
        ("z\u{316}\u{316}\u{316}\u{316}\u{316}", "marks"),
    ] {
        send(&mut zoe, json!({"type": "nick", "name": name}));
        let error = zoe.json();
        assert_eq!((&error["code"], &error["rule"]), (&json!("bad_name"), &json!(rule)), "{name:?}");
    }
    for name in
        ["می\u{200C}خواهم", "1\u{FE0F}\u{20E3}", "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}"]
    {
        send(&mut zoe, json!({"type": "nick", "name": name}));
        assert_eq!(zoe.json_of("nick")["name"], name);
    }
}

#[test]
fn a_room_is_one_in_every_normal_form_of_its_name() {
    let server = Server::start(&[]);
    let mut ann = server.ws("/chat/caf%C3%A9?name=ann");
    assert_eq!(ann.json_of("joined")["room"], "café");
    let mut bob = server.ws("/chat/cafe%CC%81?name=bob");
    assert_eq!(bob.json_of("joined")["room"], "café");
    assert_eq!(ann.json_of("join")["name"], "bob");
    for format in ["lines", "html", "raw"] {
        for room in ["lobby%E2%80%8B", "%2E", "%2E%2E"] {
            server.send(handshake(&format!("/chat/{room}?format={format}"))).reply().assert_refusal(400);
        }
    }
}

#[test]
fn half_an_emoji_and_an_invisible_text_are_refused_with_the_id() {
    let server = Server::start(&[]);
    let (mut ann, _) = join(&server, "den", "ann");
    for (text, code) in [
        (r"\ud83d", "bad_request"),
        (r"\u200b", "text_empty"),
        (r"\u3164\ufeff", "text_empty"),
        (r"a\u0001", "bad_text"),
    ] {
        ann.say(&format!(r#"{{"type":"say","text":"{text}","id":"mark"}}"#));
        let error = ann.json();
        assert_eq!((&error["code"], &error["id"]), (&json!(code), &json!("mark")), "{text}");
    }
    assert_hears_nothing(&mut ann);
}

#[test]
fn a_joined_frame_has_at_most_64_kib_and_reports_what_it_left_out() {
    let server = Server::start(&["--rate", "0"]);
    let (mut ann, _) = join(&server, "den", "ann");
    for _ in 0..15 {
        say(&mut ann, &"\"".repeat(10_000));
        ann.json_of("message");
    }
    let mut late = server.ws("/chat/den?name=late");
    late.json();
    let joined = late.text();
    assert!(joined.len() <= 64 << 10, "{}", joined.len());
    let joined: Value = serde_json::from_str(&joined).unwrap();
    assert_eq!((&joined["more"], &joined["offset"]), (&json!(true), &json!(15)));
    let history = joined["history"].as_array().unwrap();
    assert_eq!((history.len(), &history[2]["offset"]), (3, &json!(15)));
}

#[test]
fn filling_some_rooms_does_not_empty_the_history_of_others() {
    let server = Server::start(&["--history-total", "64KiB", "--rate", "0"]);
    let (mut vic, _) = join(&server, "small", "vic");
    for _ in 0..10 {
        say(&mut vic, "hi");
        vic.json_of("message");
    }
    let (mut hoarder, _) = join(&server, "h", "hoarder");
    for _ in 0..100 {
        say(&mut hoarder, &"x".repeat(2_000));
        hoarder.json_of("message");
    }
    let (_late, joined) = join(&server, "small", "late");
    assert_eq!(joined["history"].as_array().map(Vec::len), Some(10));
}

#[test]
fn messages_older_than_the_history_age_are_not_replayed() {
    let server = Server::start(&["--history-age", "50ms"]);
    let (mut ann, joined) = join(&server, "den", "ann");
    say(&mut ann, "hi");
    ann.json_of("message");
    thread::sleep(Duration::from_millis(60));
    send(&mut ann, json!({"type": "join", "room": "den", "since": 0, "epoch": joined["epoch"]}));
    let again = ann.json_of("joined");
    assert_eq!(
        (&again["history"], &again["offset"], &again["recovered"]),
        (&json!([]), &json!(1), &json!(false))
    );
    // An empty room without history ends, so the next one starts anew.
    drop(ann);
    let deadline = Instant::now() + PATIENCE;
    while join(&server, "den", "back").1["epoch"] == joined["epoch"] {
        assert!(Instant::now() < deadline, "the room never ended");
        thread::sleep(Duration::from_millis(20));
    }
}
