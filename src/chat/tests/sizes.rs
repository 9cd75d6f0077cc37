use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::{
    html,
    json::{Event, listed_length},
    message::Message,
    size::{MAX_FRAME, Size},
    token::Uid,
};

/// Everything a client heard, of which no frame may be longer than clients accept.
fn bounded(heard: Vec<String>) -> Vec<String> {
    for frame in &heard {
        assert!(frame.len() <= MAX_FRAME, "{} bytes: {}…", frame.len(), &frame[..60]);
    }
    heard
}

/// A text of the greatest length that may be said, which escapes make longest in a format.
fn longest(format: Format) -> String {
    match format {
        Format::Json => "\"\\".repeat(5_300),
        _ => "&".repeat(12_900),
    }
}

/// As long as a name may be in bytes, and longer where it is escaped.
fn longest_name(n: usize) -> String {
    format!("{n:04}{}{}", "👩🏽\u{200D}🚀".repeat(15), "\"".repeat(12))
}

#[test]
fn no_frame_is_longer_than_clients_accept_under_default_limits() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let room = "\"".repeat(64);
    let mut members = Vec::new();
    for n in 0..120 {
        let format = [Format::Json, Format::Lines, Format::Html][n % 3];
        let name = longest_name(n);
        let member = stage.enter_as(Entry { name: Some(&name), ..entry(format, &room) });
        let heard = bounded(stage.heard(member));
        assert!(format != Format::Json || heard[0].contains(&json!(name).to_string()), "{}", heard[0]);
        members.push(member);
    }
    let id = "\u{1}".repeat(64);
    for n in 0..20 {
        let text = longest(Format::ALL[n % 3]);
        stage.receive(members[0], &json!({"type": "say", "text": text, "id": id}).to_string());
        stage.receive(members[1], &text);
        stage.receive(members[2], &text);
    }
    for request in [
        json!({"type": "who"}),
        json!({"type": "join", "room": room}),
        json!({"type": "nick", "name": longest_name(9999)}),
        json!({"type": "who", "room": "\u{1}".repeat(60_000), "id": id}),
        json!({"type": "\u{1}".repeat(60_000), "id": id}),
        json!({"type": "nick", "name": "\"".repeat(60_000), "id": id}),
    ] {
        stage.receive(members[0], &request.to_string());
    }
    for line in
        ["/who", "/help", &format!("/nick {}", longest_name(9998)), &format!("/{}", "\"".repeat(60_000))]
    {
        stage.receive(members[1], line);
    }
    for (n, &member) in members.iter().enumerate() {
        let heard = bounded(stage.heard(member));
        assert!(heard.len() >= 60, "member {n} heard {}", heard.len());
    }
    for format in [Format::Json, Format::Lines, Format::Html] {
        let late = stage.enter_as(entry(format, &room));
        let heard = bounded(stage.heard(late));
        let replay = if format == Format::Json { 0 } else { heard.iter().map(String::len).sum() };
        assert!(replay <= MAX_FRAME + 300, "{format:?} replayed {replay} bytes");
    }
}

#[test]
fn a_joined_that_has_no_place_for_the_whole_history_holds_the_newest_and_says_so() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for n in 1..=50 {
        stage
            .receive(ann, &json!({"type": "say", "text": format!("{n} {}", "\"".repeat(2_000))}).to_string());
    }
    let joined = &bounded(stage.ask(ann, r#"{"type":"join","room":"lobby"}"#))[0];
    assert!(joined.len() > MAX_FRAME - 5_000, "it is as full as it can be: {}", joined.len());
    let joined: Value = serde_json::from_str(joined).unwrap();
    let offsets = |joined: &Value| -> Vec<u64> {
        joined["history"].as_array().unwrap().iter().map(|m| m["offset"].as_u64().unwrap()).collect()
    };
    let held = offsets(&joined);
    assert!(held.len() >= 14 && held == (51 - held.len() as u64..=50).collect::<Vec<_>>(), "{held:?}");
    assert_eq!((&joined["more"], &joined["recovered"]), (&json!(true), &json!(false)));
    // What fits is recovered, what does not is not.
    let first = held[0];
    for (since, recovered) in [(50, true), (first - 1, true), (first - 2, false), (0, false)] {
        let request = json!({"type": "join", "room": "lobby", "since": since, "epoch": joined["epoch"]});
        let again = stage.ask_json(ann, &request.to_string());
        assert_eq!(again["recovered"], recovered, "since {since}");
        assert_eq!(again.get("more").is_some(), !recovered);
        assert_eq!(offsets(&again), (since.max(first - 1) + 1..=50).collect::<Vec<_>>());
    }
}

#[test]
fn a_joined_has_place_for_the_longest_message_beside_the_longest_list_of_members() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let ann = stage.enter(Format::Json, &"\"".repeat(64), &longest_name(0));
    // As many as can be listed by names so long.
    let listed = (28 << 10) / listed_length(&longest_name(0));
    for n in 1..listed {
        stage.enter(Format::Lines, &"\"".repeat(64), &longest_name(n));
    }
    stage.receive(
        ann,
        &json!({"type": "say", "text": "\\".repeat(16 << 10), "id": "\u{1}".repeat(64)}).to_string(),
    );
    let joined = bounded(stage.ask(ann, &json!({"type": "join", "room": "\"".repeat(64)}).to_string()));
    let joined: Value = serde_json::from_str(&joined[0]).unwrap();
    assert_eq!(joined["members"].as_array().unwrap().len(), listed);
    assert_eq!((joined["history"].as_array().unwrap().len(), joined.get("more")), (1, None));
}

#[test]
fn a_replay_of_lines_or_fragments_holds_the_newest_that_fit() {
    for format in [Format::Lines, Format::Html] {
        let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
        let ann = stage.enter(format, "lobby", "ann");
        for n in 0..30 {
            stage.receive(ann, &format!("{n:02}{}", "x".repeat(5_300)));
        }
        let late = stage.enter_as(entry(format, "lobby"));
        let heard = stage.heard(late);
        let replay: Vec<_> = heard.iter().filter(|frame| frame.len() > 5_300).collect();
        assert_eq!(replay.len(), 12, "{format:?}");
        assert!(replay[0].contains("18xxx") && replay[11].contains("29xxx"));
    }
}

#[test]
fn a_room_counts_its_members_if_a_list_of_them_would_be_too_long() {
    let mut stage = Stage::with(|settings| {
        settings.presence_limit = 100_000;
        (settings.rate, settings.burst) = (0, 1);
    });
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let mut modes = Vec::new();
    for n in 0..120 {
        let member = stage.enter_as(Entry { name: Some(&longest_name(n)), ..entry(Format::Json, "lobby") });
        let joined = stage.heard_json(member).remove(1);
        modes.push(joined.get("members").is_some());
    }
    let listed = modes.iter().filter(|listed| **listed).count();
    assert!((80..110).contains(&listed) && modes[..listed].iter().all(|listed| *listed), "{listed}");
    stage.heard(ann);
    let who = bounded(stage.ask(ann, r#"{"type":"who"}"#));
    let who: Value = serde_json::from_str(&who[0]).unwrap();
    assert!((80..110).contains(&who["members"].as_array().unwrap().len()));
    assert_eq!(who["online"], 121);
    // Somebody takes a shorter name, again and again, and the list fits.
    for slot in 1..=60 {
        stage.receive(
            ClientId { slot, generation: 1 },
            &json!({"type": "nick", "name": format!("n{slot}")}).to_string(),
        );
    }
    stage.later(Duration::from_secs(2));
    stage.tick();
    let heard = stage.heard_json(ann);
    let who = heard.iter().find(|event| event["type"] == "who").expect("it is small again");
    assert_eq!(who["members"].as_array().unwrap().len(), 121);
}

/// What is escaped in a format, and what is not.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            prop::sample::select("\"\\&<>'\n\t\r\u{1}\u{8}\u{c}\u{7f}aé字👩".chars().collect::<Vec<_>>()),
            any::<char>()
        ],
        0..60,
    )
    .prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn a_message_has_the_size_that_is_counted(
        room in text(), name in text(), text in text(), id in prop::option::of(text()), offset in any::<u64>()
    ) {
        let uid = Uid::random(&mut StdRng::seed_from_u64(1));
        let time = "2026-11-21T01:23:45.678Z".parse().unwrap();
        let id = id.as_deref();
        let message = Message { room: &room, offset, time, uid, name: &name, text: &text, id };
        let size = message.size(Size::of(&text));
        let mut written = String::new();
        Event::Message(message).write(&mut written);
        prop_assert_eq!(size.json, written.len());
        html::write_message(&message, &jiff::tz::TimeZone::UTC, &mut written);
        prop_assert_eq!(size.html, written.len());
        let plain: String = name.chars().chain(text.chars()).filter(|c| !c.is_control()).collect();
        prop_assert!(message.line_length() >= plain.len() + 15);
    }
}
