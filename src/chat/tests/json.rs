use serde_json::json;

use super::*;

#[test]
fn a_newcomer_hears_welcome_then_joined_then_what_follows() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    stage.receive(ann, r#"{"type":"say","text":"first","id":"a1"}"#);
    stage.heard(ann);
    let bob = stage.enter_as(Entry { name: Some(" bob "), ..entry(Format::Json, "lobby") });
    stage.receive(ann, r#"{"type":"say","text":"second"}"#);

    let heard = stage.heard_json(bob);
    assert_eq!(types(&heard), ["welcome", "joined", "message"]);
    let uid = heard[0]["uid"].as_str().unwrap();
    assert_eq!(uid.len(), 16);
    assert_eq!(
        heard[0],
        json!({"type": "welcome", "uid": uid, "name": "bob", "server": concat!("throng/", env!("CARGO_PKG_VERSION")),
            "limits": {"message": 65536, "text": 16384, "id": 64, "room": 64, "name": 32, "name_bytes": 256, "rooms": 32,
                "rate": 50, "burst": 100, "byte_rate": 131072, "byte_burst": 262144, "presence": 100, "history": 100}})
    );
    let epoch = heard[1]["epoch"].as_str().unwrap();
    assert!((8..=12).contains(&epoch.len()));
    let ann_uid = heard[2]["uid"].as_str().unwrap();
    assert_ne!(uid, ann_uid);
    assert_eq!(
        heard[1],
        json!({"type": "joined", "room": "lobby", "epoch": epoch, "offset": 1, "recovered": false, "online": 2,
            "members": [{"uid": ann_uid, "name": "ann"}, {"uid": uid, "name": "bob"}],
            "history": [{"type": "message", "room": "lobby", "offset": 1, "time": "2026-11-21T01:23:45.678Z",
                "uid": ann_uid, "name": "ann", "text": "first", "id": "a1"}]})
    );
    assert_eq!(
        heard[2],
        json!({"type": "message", "room": "lobby", "offset": 2, "time": "2026-11-21T01:23:45.678Z",
            "uid": ann_uid, "name": "ann", "text": "second"})
    );
    let others = stage.heard_json(ann);
    assert_eq!(others[0], json!({"type": "join", "room": "lobby", "uid": uid, "name": "bob", "online": 2}));
    assert_eq!(types(&others), ["join", "message"]);
}

#[test]
fn events_are_written_in_the_documented_order_of_fields() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let said = &stage.ask(ann, r#"{"type":"say","text":"\"hi\"\n\u00e9\t","id":"x\u0001"}"#)[0];
    assert!(said.starts_with(
        r#"{"type":"message","room":"lobby","offset":1,"time":"2026-11-21T01:23:45.678Z","uid":""#
    ));
    assert!(said.ends_with(r#"","name":"ann","text":"\"hi\"\né\t","id":"x\u0001"}"#), "{said}");
    assert_eq!(stage.ask(ann, r#"{"type":"ping"}"#), [r#"{"type":"pong"}"#]);
    let error = &stage.ask(ann, r#"{"type":"dance","id":"y"}"#)[0];
    assert_eq!(
        error,
        r#"{"type":"error","code":"unknown_type","message":"There is no type 'dance'.","id":"y"}"#
    );
}

#[test]
fn text_arrives_as_it_was_meant_whatever_its_escapes() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for (written, meant) in [
        ("plain", "plain"),
        (r"\u0041\/\\\t", "A/\\\t"),
        (r"\ud83d\ude00 😀", "😀 😀"),
        (r"\u200f\u5b57", "\u{200f}字"),
    ] {
        let answer = stage.ask_json(ann, &format!(r#"{{"type":"say","text":"{written}"}}"#));
        assert_eq!(answer["text"], meant);
    }
    let answer = stage.ask_json(ann, r#"{"\u0074ype":"s\u0061y","text":"escaped keys"}"#);
    assert_eq!(answer["text"], "escaped keys");
}

#[test]
fn bad_requests_are_answered_with_their_code_and_change_nothing() {
    let mut stage = Stage::with(|settings| settings.max_text = 8);
    let ann = stage.enter(Format::Json, "lobby", "ann");
    stage.enter(Format::Json, "lobby", "Bob");
    let long_id = format!(r#"{{"type":"ping","id":"{}"}}"#, "i".repeat(65));
    let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let long_room = format!(r#"{{"type":"join","room":"{}"}}"#, "r".repeat(65));
    for (request, expected) in [
        ("", "bad_json"),
        (" ", "bad_json"),
        ("hello", "bad_json"),
        (r#"{"type":"ping""#, "bad_json"),
        (r#"{"type":"ping"} x"#, "bad_json"),
        (r#"{"type":"say","text":"\ud80"}"#, "bad_json"),
        (r#"{"type":"say","text":"\ud800"#, "bad_json"),
        (r#""\ud800""#, "bad_request"),
        (r#"["\ud800"]"#, "bad_request"),
        (r#"{"type":"join","room":"x","epoch":"e","since":1e999}"#, "bad_request"),
        ("{\"type\":\"say\",\"text\":\"\n\"}", "bad_json"),
        ("null", "bad_request"),
        ("7", "bad_request"),
        (r#""say""#, "bad_request"),
        (r#"["say","hi"]"#, "bad_request"),
        ("{}", "bad_request"),
        (r#"{"type":5}"#, "bad_request"),
        (r#"{"type":"say"}"#, "bad_request"),
        (r#"{"type":"say","text":null}"#, "bad_request"),
        (r#"{"type":"say","text":["hi"]}"#, "bad_request"),
        (r#"{"type":"say","text":{"a":1}}"#, "bad_request"),
        (r#"{"type":"say","text":"a","text":"b"}"#, "bad_request"),
        (r#"{"type":"say","text":"a","room":1}"#, "bad_request"),
        (r#"{"message":true}"#, "bad_request"),
        (r#"{"type":"ping","id":7}"#, "bad_request"),
        (&long_id, "bad_request"),
        (r#"{"type":"join"}"#, "bad_request"),
        (r#"{"type":"join","room":"x","since":1}"#, "bad_request"),
        (r#"{"type":"join","room":"x","since":-1,"epoch":"e"}"#, "bad_request"),
        (r#"{"type":"join","room":"x","since":1.5,"epoch":"e"}"#, "bad_request"),
        (r#"{"type":"join","room":"x","since":99999999999999999999,"epoch":"e"}"#, "bad_request"),
        (r#"{"type":"nick"}"#, "bad_request"),
        (r#"{"type":"typing"}"#, "unknown_type"),
        (r#"{"type":"tell","to":"x","text":"y"}"#, "unknown_type"),
        (r#"{"type":"SAY","text":"y"}"#, "unknown_type"),
        (r#"{"type":"say","text":"hi","room":"elsewhere"}"#, "not_in_room"),
        (r#"{"type":"leave","room":"elsewhere"}"#, "not_in_room"),
        (r#"{"type":"who","room":"elsewhere"}"#, "not_in_room"),
        (r#"{"type":"join","room":"a/b"}"#, "bad_room"),
        (r#"{"type":"join","room":""}"#, "bad_room"),
        (&long_room, "bad_room"),
        (r#"{"type":"nick","name":" "}"#, "bad_name"),
        (r#"{"type":"nick","name":"bOB"}"#, "name_taken"),
        (r#"{"type":"say","text":""}"#, "text_empty"),
        (r#"{"type":"say","text":" \n"}"#, "text_empty"),
        (r#"{"type":"say","text":"a\u0000"}"#, "bad_text"),
        (r#"{"type":"say","text":"123456789"}"#, "text_too_long"),
    ] {
        stage.later(Duration::from_secs(1));
        let answer = stage.ask_json(ann, request);
        assert_eq!(code(&answer), expected, "{request}");
    }
    assert_eq!(stage.ask_json(ann, r#"{"type":"say","text":"12345678"}"#)["offset"], 1);
    // What nobody needs may be anything, and as deep as it likes.
    assert_eq!(stage.ask_json(ann, r#"{"type":"ping","text":5,"since":{},"x":[1e5]}"#)["type"], "pong");
    assert_eq!(stage.ask_json(ann, &deep)["type"], "pong");
}

#[test]
fn errors_echo_the_id_of_their_request() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let longest = "i".repeat(64);
    for request in [r#""type":"say""#, r#""type":7"#, r#""type":"?""#, r#""type":"say","text":"""#] {
        let answer = stage.ask_json(ann, &format!(r#"{{{request},"id":"{longest}"}}"#));
        assert_eq!(answer["id"], longest, "{request}");
    }
    assert_eq!(stage.ask_json(ann, r#"{"type":"say","text":"x","id":""}"#)["id"], "");
}

#[test]
fn an_object_with_a_message_is_said() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let answer = stage.ask_json(ann, r#"{"message":"hi","uid":"forged","name":"forged","id":"m"}"#);
    assert_eq!((&answer["text"], &answer["name"], &answer["id"]), (&json!("hi"), &json!("ann"), &json!("m")));
    assert_ne!(answer["uid"], "forged");
}

#[test]
fn the_room_may_be_left_out_while_there_is_only_one() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    assert_eq!(stage.ask_json(ann, r#"{"type":"say","text":"here"}"#)["room"], "lobby");
    stage.ask(ann, r#"{"type":"join","room":"attic"}"#);
    for request in ["say", "leave", "who"] {
        let answer = stage.ask_json(ann, &format!(r#"{{"type":"{request}","text":"x"}}"#));
        assert_eq!(code(&answer), "room_required", "{request}");
    }
    assert_eq!(stage.ask_json(ann, r#"{"type":"say","text":"up","room":"attic"}"#)["room"], "attic");
    let left = stage.ask_json(ann, r#"{"type":"leave","room":"lobby"}"#);
    assert_eq!(left, json!({"type": "left", "room": "lobby"}));
    assert_eq!(stage.ask_json(ann, r#"{"type":"leave"}"#), json!({"type": "left", "room": "attic"}));
    assert_eq!(code(&stage.ask_json(ann, r#"{"type":"say","text":"x"}"#)), "not_in_room");
    assert_eq!(stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#)["offset"], 1);
}

#[test]
fn joining_a_room_again_only_tells_where_it_stands() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let bob = stage.enter(Format::Json, "lobby", "bob");
    stage.heard(ann);
    let again = stage.ask_json(bob, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!((&again["type"], &again["online"]), (&json!("joined"), &json!(2)));
    assert!(stage.heard(ann).is_empty(), "no notice");
    assert_eq!(stage.ask(bob, r#"{"message":"once"}"#).len(), 1, "heard once");
}

#[test]
fn those_who_leave_are_told_of_to_those_who_stay_only() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let bob = stage.enter(Format::Json, "lobby", "bob");
    let cy = stage.enter(Format::Json, "lobby", "cy");
    stage.heard(ann);
    assert_eq!(stage.ask_json(bob, r#"{"type":"leave"}"#)["type"], "left");
    assert_eq!(types(&stage.heard_json(cy)), ["leave"]);
    stage.exit(cy);
    let heard = stage.heard_json(ann);
    assert_eq!(types(&heard), ["leave", "leave"]);
    assert_eq!((&heard[0]["name"], &heard[0]["online"]), (&json!("bob"), &json!(2)));
    assert_eq!((&heard[1]["name"], &heard[1]["online"]), (&json!("cy"), &json!(1)));
    assert!(stage.heard(bob).is_empty() && stage.heard(cy).is_empty());
}

#[test]
fn members_are_listed_truly_after_any_order_of_leaving() {
    let mut stage = Stage::new();
    let watcher = stage.enter(Format::Json, "a", "watcher");
    stage.ask(watcher, r#"{"type":"join","room":"b"}"#);
    let others: Vec<_> = (0..9).map(|n| stage.enter(Format::Json, "a", &format!("n{n}"))).collect();
    for &other in &others {
        stage.ask(other, r#"{"type":"join","room":"b"}"#);
    }
    for (index, expected) in [(0, 8), (8, 7), (3, 6), (7, 5), (1, 4)] {
        stage.exit(others[index]);
        for room in ["a", "b"] {
            let who = stage.ask_json(watcher, &format!(r#"{{"type":"who","room":"{room}"}}"#));
            let mut names: Vec<_> =
                who["members"].as_array().unwrap().iter().map(|m| m["name"].clone()).collect();
            names.sort_by_key(|name| name.to_string());
            names.dedup();
            assert_eq!((names.len(), &who["online"]), (expected + 1, &json!(expected + 1)));
        }
    }
}

#[test]
fn one_more_room_than_the_limit_is_refused() {
    let mut stage = Stage::with(|settings| settings.max_rooms_joined = 3);
    let ann = stage.enter(Format::Json, "1", "ann");
    assert_eq!(stage.ask_json(ann, r#"{"type":"join","room":"2"}"#)["type"], "joined");
    assert_eq!(stage.ask_json(ann, r#"{"type":"join","room":"3"}"#)["type"], "joined");
    assert_eq!(code(&stage.ask_json(ann, r#"{"type":"join","room":"4"}"#)), "too_many_rooms");
    assert_eq!(stage.ask_json(ann, r#"{"type":"join","room":"3"}"#)["type"], "joined", "it is there already");
    stage.ask(ann, r#"{"type":"leave","room":"1"}"#);
    assert_eq!(stage.ask_json(ann, r#"{"type":"join","room":"4"}"#)["type"], "joined");
}

#[test]
fn a_room_that_cannot_be_entered_leaves_a_json_client_connected() {
    let mut stage = Stage::new();
    let ann = stage.enter_as(entry(Format::Json, "a/b"));
    let heard = stage.heard_json(ann);
    assert_eq!(types(&heard), ["welcome", "error"]);
    assert_eq!(code(&heard[1]), "bad_room");
    assert_eq!(stage.ask_json(ann, r#"{"type":"join","room":"ab"}"#)["type"], "joined");
}
