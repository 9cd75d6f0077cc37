use super::*;

#[test]
fn messages_are_relayed_as_they_are_to_raw_members_of_the_room_only() {
    let mut stage = Stage::new();
    let ann = stage.enter_as(entry(Format::Raw, "lobby"));
    let bob = stage.enter_as(entry(Format::Raw, "lobby"));
    let elsewhere = stage.enter_as(entry(Format::Raw, "attic"));
    let json = stage.enter(Format::Json, "lobby", "json");
    let text = "quit\n\x1b{\"type\":\"say\"}";
    stage.receive(ann, text);
    stage.hub.receive(bob, Payload::Binary(&[0, 255]), stage.now, &mut stage.out);
    stage.receive(ann, "");
    for client in [ann, bob] {
        assert_eq!(stage.heard(client), [text, "[00, ff]", ""]);
    }
    stage.receive(json, r#"{"message":"hi"}"#);
    assert!(stage.heard(ann).is_empty() && stage.heard(elsewhere).is_empty());
    let later = stage.enter_as(entry(Format::Raw, "lobby"));
    assert!(stage.heard(later).is_empty(), "no history, no greeting");
}

#[test]
fn raw_members_are_not_counted_named_or_announced() {
    let mut stage = Stage::new();
    let json = stage.enter(Format::Json, "lobby", "ann");
    let raw =
        stage.enter_as(Entry { name: Some("ANN"), greet_with_uid: true, ..entry(Format::Raw, "lobby") });
    assert!(stage.heard(raw).is_empty() && stage.heard(json).is_empty());
    assert_eq!(stage.ask_json(json, r#"{"type":"who"}"#)["online"], 1);
    stage.exit(raw);
    assert!(stage.heard(json).is_empty());
}

#[test]
fn a_room_of_raw_members_only_is_not_empty() {
    let mut stage = Stage::with(|settings| settings.max_rooms = 1);
    let raw = stage.enter_as(entry(Format::Raw, "lobby"));
    let other = stage.enter_as(entry(Format::Raw, "attic"));
    assert_eq!(stage.dismissal(other), Some(Dismissal::RoomsFull));
    stage.exit(raw);
    let third = stage.enter_as(entry(Format::Raw, "attic"));
    assert_eq!(stage.dismissal(third), None);
}

#[test]
fn over_the_rate_a_raw_member_is_dismissed_at_once() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (5, 2));
    let ann = stage.enter_as(entry(Format::Raw, "lobby"));
    assert_eq!(stage.ask(ann, "1"), ["1"]);
    assert_eq!(stage.ask(ann, "2"), ["2"]);
    assert!(stage.ask(ann, "3").is_empty());
    assert_eq!(
        stage.dismissal(ann),
        Some(Dismissal::RateLimited { excess: Excess::Messages, per_second: 5 })
    );
}
