use super::*;

#[test]
fn members_of_every_format_see_the_same_conversation() {
    let mut stage = Stage::new();
    let json = stage.enter(Format::Json, "lobby", "jo");
    let lines = stage.enter(Format::Lines, "lobby", "lin");
    let html = stage.enter(Format::Html, "lobby", "hal");
    let raw = stage.enter_as(entry(Format::Raw, "lobby"));
    let heard = stage.heard_json(json);
    assert_eq!(types(&heard), ["join", "join"]);
    assert_eq!(stage.heard(lines), ["Welcome hal !"], "html members are welcomed, raw ones are not");

    stage.receive(json, r#"{"type":"say","text":"1 < 2"}"#);
    stage.receive(lines, "2 > 1\n");
    stage.receive(html, r#"{"message":"3 & \"4\""}"#);
    stage.receive(raw, "verbatim");

    let conversation = [("jo", "1 < 2"), ("lin", "2 > 1"), ("hal", "3 & \"4\"")];
    let in_json: Vec<_> = stage
        .heard_json(json)
        .iter()
        .map(|m| format!("{}|{}|{}", m["offset"], m["name"].as_str().unwrap(), m["text"].as_str().unwrap()))
        .collect();
    assert_eq!(in_json, ["1|jo|1 < 2", "2|lin|2 > 1", "3|hal|3 & \"4\""]);
    assert_eq!(stage.heard(lines), conversation.map(|(name, text)| format!("01:23:45 {name} say: {text}")));
    let in_html = stage.heard(html);
    for (fragment, (name, escaped)) in
        in_html.iter().zip([("jo", "1 &lt; 2"), ("lin", "2 &gt; 1"), ("hal", "3 &amp; &quot;4&quot;")])
    {
        assert!(fragment.contains(&format!("<b class=\"name\">{name}</b>")), "{fragment}");
        assert!(fragment.contains(&format!("<span class=\"text\">{escaped}</span>")), "{fragment}");
    }
    assert_eq!(in_html.len(), 3);
    assert_eq!(stage.heard(raw), ["verbatim"]);

    let late = stage.enter(Format::Json, "lobby", "late");
    let joined = stage.ask_json(late, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!(joined["history"].as_array().unwrap().len(), 3);
    assert_eq!((&joined["online"], &joined["offset"]), (&4.into(), &3.into()));

    stage.receive(lines, "/nick linda");
    stage.receive(lines, "/quit");
    assert_eq!(types(&stage.heard_json(json)), ["join", "nick", "leave"]);
    assert!(stage.heard(html).is_empty());
}

#[test]
fn a_message_is_encoded_once_for_each_format_that_is_there() {
    let mut stage = Stage::new();
    let speaker = stage.enter(Format::Json, "lobby", "speaker");
    let publishes = |stage: &mut Stage| {
        stage.out.publishes = 0;
        stage.out.sends = 0;
        stage.receive(speaker, r#"{"message":"x"}"#);
        assert_eq!(stage.out.sends, 0);
        stage.out.publishes
    };
    assert_eq!(publishes(&mut stage), 1);
    let mut guests = Vec::new();
    for n in 0..20 {
        guests.push(stage.enter(Format::Json, "lobby", &format!("j{n}")));
        guests.push(stage.enter(Format::Lines, "lobby", &format!("l{n}")));
    }
    assert_eq!(publishes(&mut stage), 2);
    stage.enter(Format::Html, "lobby", "h");
    stage.enter_as(entry(Format::Raw, "lobby"));
    assert_eq!(publishes(&mut stage), 3);
    guests.into_iter().for_each(|guest| stage.exit(guest));
    assert_eq!(publishes(&mut stage), 2);
}
