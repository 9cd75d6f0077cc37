use serde_json::json;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A room of `size` members of `format` under a limit of 3; the first is given.
fn room_of(size: usize, format: Format) -> (Stage, Vec<ClientId>) {
    let mut stage = Stage::with(|settings| settings.presence_limit = 3);
    let members: Vec<_> = (0..size).map(|n| stage.enter(format, "lobby", &format!("m{n}"))).collect();
    for _ in 0..2 {
        stage.later(10 * SECOND);
        stage.tick();
    }
    members.iter().for_each(|&member| drop(stage.heard(member)));
    (stage, members)
}

#[test]
fn up_to_the_limit_each_coming_and_going_is_told_and_beyond_it_the_number() {
    for (before, event) in [(1, "join"), (2, "join"), (3, "online")] {
        let (mut stage, members) = room_of(before, Format::Json);
        let new = stage.enter_as(entry(Format::Json, "lobby"));
        let joined = &stage.heard_json(new)[1];
        assert_eq!(joined["online"], before + 1);
        assert_eq!(joined.get("members").is_some(), before < 3, "members are listed in small rooms");
        let heard = stage.heard_json(members[0]);
        assert_eq!(types(&heard), [event]);
        assert_eq!(heard[0]["online"], before + 1);
    }
    for (before, event) in [(2, "leave"), (3, "leave"), (4, "who"), (5, "online")] {
        let (mut stage, members) = room_of(before, Format::Json);
        stage.exit(members[1]);
        let heard = stage.heard_json(members[0]);
        assert_eq!(types(&heard), [event]);
        assert_eq!(heard[0]["online"], before - 1);
    }
}

/// What a client believes of who is there: nothing, or a list, by what it hears.
fn believe(list: &mut Option<BTreeSet<String>>, event: &Value) {
    let name = || event["name"].as_str().unwrap().to_owned();
    match (event["type"].as_str().unwrap(), list.as_mut()) {
        ("joined" | "who" | "online", _) => {
            let members = event["members"].as_array();
            *list = members.map(|all| all.iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect());
        }
        ("join", Some(list)) => assert!(list.insert(name())),
        ("leave", Some(list)) => assert!(list.remove(&name())),
        ("nick", Some(list)) => {
            assert!(list.remove(event["was"].as_str().unwrap()) && list.insert(name()));
        }
        ("join" | "leave", None) => panic!("{event} without a list before"),
        _ => {}
    }
}

#[test]
fn a_room_that_has_become_small_again_sends_the_list_so_that_all_have_the_right_one() {
    let (mut stage, members) = room_of(3, Format::Json);
    stage.ask(members[0], r#"{"type":"join","room":"lobby"}"#);
    let dan = stage.enter_as(Entry { name: Some("dan"), ..entry(Format::Json, "lobby") });
    stage.exit(members[2]);
    let (mut one, mut two) = (Some(["m0", "m1", "m2"].map(str::to_owned).into()), None);
    stage.later(SECOND);
    stage.tick();
    stage.heard_json(members[0]).iter().for_each(|event| believe(&mut one, event));
    stage.heard_json(dan).iter().for_each(|event| believe(&mut two, event));
    let truth: BTreeSet<_> = ["m0", "m1", "dan"].map(str::to_owned).into();
    assert_eq!((one, two), (Some(truth.clone()), Some(truth)));
}

#[test]
fn a_room_that_shrinks_at_once_sends_the_list_within_a_second() {
    let (mut stage, members) = room_of(50, Format::Json);
    for member in &members[2..] {
        stage.exit(*member);
    }
    stage.later(SECOND);
    stage.tick();
    let heard = stage.heard_json(members[0]);
    assert_eq!(types(&heard), ["online", "who"]);
    assert_eq!((&heard[1]["online"], heard[1]["members"].as_array().unwrap().len()), (&json!(2), 2));
    assert_eq!(stage.hub.due().filter(|due| *due < stage.now.instant + 60 * SECOND), None);
    stage.exit(members[1]);
    assert_eq!(types(&stage.heard_json(members[0])), ["leave"]);
}

#[test]
fn a_room_that_has_shrunk_while_no_json_member_heard_it_lists_for_the_next() {
    let (mut stage, members) = room_of(5, Format::Lines);
    stage.exit(members[0]);
    stage.exit(members[1]);
    let late = stage.enter_as(entry(Format::Json, "lobby"));
    assert_eq!(stage.heard_json(late)[1].get("members"), None, "four are too many");
    stage.exit(late);
    stage.exit(members[2]);
    let late = stage.enter_as(entry(Format::Json, "lobby"));
    assert_eq!(stage.heard_json(late)[1]["members"].as_array().map(Vec::len), Some(3));
}

proptest::proptest! {
    #[test]
    fn whatever_comes_and_goes_all_have_the_right_list_or_none(
        steps in proptest::collection::vec((0..6_u32, 0..5_u8), 1..120)
    ) {
        let mut stage = Stage::with(|settings| {
            settings.presence_limit = 3;
            (settings.rate, settings.burst) = (0, 1);
        });
        let mut beliefs: HashMap<ClientId, Option<BTreeSet<String>>> = HashMap::new();
        let mut names: HashMap<ClientId, String> = HashMap::new();
        let mut generation = 0;
        let mut present: HashMap<u32, ClientId> = HashMap::new();
        for (slot, step) in steps {
            match (step, present.get(&slot).copied()) {
                (0 | 1, None) => {
                    generation += 1;
                    let client = ClientId { slot, generation };
                    let format = if step == 0 || slot == 0 { Format::Json } else { Format::Lines };
                    let name = format!("n{generation}");
                    stage.hub.enter(
                        client, &Entry { name: Some(&name), ..entry(format, "lobby") }, stage.now, &mut stage.out);
                    present.insert(slot, client);
                    names.insert(client, name);
                    if format == Format::Json {
                        beliefs.insert(client, None);
                    }
                }
                (2, Some(client)) => {
                    stage.exit(client);
                    present.remove(&slot);
                    names.remove(&client);
                    beliefs.remove(&client);
                }
                (3, Some(client)) => {
                    generation += 1;
                    let name = format!("n{generation}");
                    let request = match beliefs.contains_key(&client) {
                        true => json!({"type": "nick", "name": name}).to_string(),
                        false => format!("/nick {name}"),
                    };
                    stage.receive(client, &request);
                    names.insert(client, name);
                }
                _ => {
                    stage.later(Duration::from_millis(400));
                    stage.tick();
                }
            }
            let now = stage.now.instant;
            for (&client, list) in &mut beliefs {
                let heard = stage.out.heard.remove(&client).unwrap_or_default();
                heard.iter().for_each(|text| believe(list, &serde_json::from_str(text).unwrap()));
                let truth: BTreeSet<String> = names.values().cloned().collect();
                match list {
                    // A room that has just grown too large is about to say so.
                    Some(list) if truth.len() > 3 => assert!(stage.hub.due().is_some(), "{list:?}"),
                    Some(list) => assert!(*list == truth || stage.hub.due().is_some_and(|due| due <= now + SECOND), "{list:?} is not {truth:?}"),
                    None => assert!(truth.len() > 3 || stage.hub.due().is_some_and(|due| due <= now + SECOND)),
                }
            }
        }
    }
}

#[test]
fn a_limit_of_0_always_only_counts() {
    let mut stage = Stage::with(|settings| settings.presence_limit = 0);
    let ann = stage.enter_as(entry(Format::Json, "lobby"));
    assert_eq!(stage.heard_json(ann)[1].get("members"), None);
    stage.enter(Format::Json, "lobby", "bob");
    assert_eq!(stage.heard_json(ann), [json!({"type": "online", "room": "lobby", "online": 2})]);
    let who = stage.ask_json(ann, r#"{"type":"who"}"#);
    assert_eq!(who, json!({"type": "who", "room": "lobby", "online": 2, "members": []}));
}

#[test]
fn the_number_is_told_at_most_once_a_second_and_truly() {
    let (mut stage, members) = room_of(4, Format::Json);
    let first = members[0];
    let start = stage.now.instant;
    assert_eq!(stage.hub.due(), None);
    stage.enter(Format::Json, "lobby", "a");
    assert_eq!(stage.heard_json(first)[0]["online"], 5, "the first change at once");
    assert_eq!(stage.hub.due(), None);

    stage.later(SECOND / 4);
    let b = stage.enter(Format::Json, "lobby", "b");
    stage.enter(Format::Json, "lobby", "c");
    stage.exit(b);
    assert_eq!(stage.hub.due(), Some(start + SECOND));
    stage.later(SECOND * 3 / 4 - Duration::from_nanos(1));
    stage.tick();
    assert!(stage.heard(first).is_empty());
    stage.later(Duration::from_nanos(1));
    stage.tick();
    assert_eq!(stage.heard_json(first), [json!({"type": "online", "room": "lobby", "online": 6})]);
    assert_eq!(stage.hub.due(), None);

    stage.enter(Format::Json, "lobby", "d");
    assert!(stage.heard(first).is_empty(), "a second counts from the notice");
    assert_eq!(stage.hub.due(), Some(start + 2 * SECOND));
}

#[test]
fn rooms_wait_each_for_its_own_second() {
    let mut stage = Stage::with(|settings| settings.presence_limit = 0);
    let a = stage.enter(Format::Json, "a", "a1");
    let b = stage.enter(Format::Json, "b", "b1");
    let start = stage.now.instant;
    stage.enter(Format::Lines, "a", "a2");
    stage.later(SECOND / 2);
    stage.enter(Format::Lines, "b", "b2");
    stage.later(SECOND / 4);
    stage.enter(Format::Lines, "b", "b3");
    stage.enter(Format::Lines, "a", "a3");
    assert_eq!(stage.hub.due(), Some(start + SECOND), "a, though b changed first");
    stage.heard(a);
    stage.heard(b);
    stage.later(SECOND / 4);
    stage.tick();
    assert_eq!((stage.heard_json(a)[0]["online"].clone(), stage.heard(b).len()), (json!(3), 0));
    stage.later(SECOND / 2);
    stage.tick();
    assert_eq!((stage.heard(a).len(), stage.heard_json(b)[0]["online"].clone()), (0, json!(3)));
}

#[test]
fn a_notice_that_waits_is_not_told_in_the_room_that_takes_the_place_of_its_own() {
    let mut stage = Stage::with(|settings| settings.presence_limit = 0);
    let ann = stage.enter(Format::Json, "old", "ann");
    let bob = stage.enter(Format::Json, "old", "bob");
    stage.exit(ann);
    assert!(stage.hub.due().is_some());
    stage.exit(bob);
    assert_eq!(stage.hub.due(), None, "nobody is left to be told");
    let cy = stage.enter(Format::Json, "new", "cy");
    stage.later(SECOND);
    stage.tick();
    assert!(stage.heard(cy).is_empty());
}

#[test]
fn a_notice_that_waits_becomes_the_list_if_the_room_has_become_small() {
    let (mut stage, members) = room_of(4, Format::Json);
    let extra = stage.enter(Format::Json, "lobby", "extra");
    stage.exit(extra);
    stage.exit(members[3]);
    stage.exit(members[2]);
    stage.later(SECOND);
    stage.tick();
    let heard = stage.heard_json(members[0]);
    assert_eq!(types(&heard), ["online", "who"]);
    assert_eq!([&heard[0]["online"], &heard[1]["online"]], [5, 2]);
}

#[test]
fn in_large_rooms_lines_of_welcome_and_logout_are_read_by_their_subject_only() {
    for (before, told) in [(2, true), (3, false)] {
        let (mut stage, members) = room_of(before, Format::Lines);
        let new = stage.enter_as(Entry { name: Some("new"), ..entry(Format::Lines, "lobby") });
        assert_eq!(stage.heard(new), ["Welcome new !"]);
        assert_eq!(stage.heard(members[0]).is_empty(), !told);
        assert_eq!(stage.ask(new, "quit"), ["01:24:05 new say: Logout"]);
        assert_eq!(stage.heard(members[0]).is_empty(), !told);
    }
}

#[test]
fn in_large_rooms_a_change_of_name_is_told_to_its_bearer_only() {
    let (mut stage, members) = room_of(4, Format::Json);
    let lin = stage.enter(Format::Lines, "lobby", "lin");
    stage.heard(members[0]);
    let nick = stage.ask_json(members[1], r#"{"type":"nick","name":"eve"}"#);
    assert_eq!((&nick["room"], &nick["was"]), (&json!("lobby"), &json!("m1")));
    assert_eq!(stage.ask(lin, "/nick linda"), ["lin is now linda"]);
    assert!(stage.heard(members[0]).is_empty());
}

#[test]
fn who_lists_up_to_the_limit_and_counts_all() {
    for size in [2, 3, 4] {
        let (mut stage, members) = room_of(size, Format::Json);
        let who = stage.ask_json(members[0], r#"{"type":"who"}"#);
        assert_eq!(who["online"], size);
        assert_eq!(who["members"].as_array().unwrap().len(), size.min(3));
    }
    let (mut stage, members) = room_of(5, Format::Lines);
    assert_eq!(stage.ask(members[0], "/who"), ["5 in lobby: m0, m1, m2 and 2 more"]);
}

#[test]
fn a_thousand_newcomers_cost_a_thousand_of_everything() {
    let mut stage = Stage::new();
    let mut watch = 0;
    let mut first = None;
    for n in 0..1_000 {
        let format = if n % 2 == 0 { Format::Json } else { Format::Lines };
        let client = stage.enter_as(entry(format, "lobby"));
        watch += stage.heard(client).iter().map(String::len).max().unwrap();
        first.get_or_insert(client);
        stage.later(Duration::from_millis(1));
        stage.tick();
    }
    // Two each to the first hundred's channels, then one number a second.
    assert!((100..=200).contains(&(stage.out.publishes - 1)), "{}", stage.out.publishes);
    // `welcome` and `joined`, or `Welcome`.
    assert_eq!(stage.out.sends, 1_500);
    assert!(watch < 500 * 600 + 100 * 100 * 60, "what a newcomer hears does not grow with the room: {watch}");

    stage.out.publishes = 0;
    for slot in 1..1_000 {
        stage.exit(ClientId { slot, generation: 1 });
    }
    assert!(stage.out.publishes <= 200, "{}", stage.out.publishes);
    assert_eq!(stage.ask_json(first.unwrap(), r#"{"type":"who"}"#)["online"], 1);
}
