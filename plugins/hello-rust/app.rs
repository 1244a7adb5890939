//! Hello rust: a tool of the assistant.
use carapace_plugin::manifest::Info;
use carapace_plugin::tool::{Definition, Risk};
use carapace_plugin::types::Error;
use carapace_plugin::{config, failure, json_quote, json_text, kv, log, List, Res, Str};

const SCHEMA: &str = r#"{"type":"object","properties":{"name":{"type":"string","description":"Whom to greet."}},"required":["name"],"additionalProperties":false}"#;

struct Plugin;

carapace_plugin::export!(Plugin);

impl carapace_plugin::manifest::Guest for Plugin {
    fn describe() -> Info {
        Info { id: "hello-rust".into(), version: "0.1.0".into() }
    }
}

impl carapace_plugin::tool::Guest for Plugin {
    fn definitions() -> List<Definition> {
        let greet = Definition {
            name: "greet".into(),
            description: "Greet somebody by name and count how often.".into(),
            schema: SCHEMA.into(),
            risk: Risk::WRITE,
        };
        vec![greet].into()
    }

    fn invoke(name: &str, parameters: &str) -> Res<Str, Error> {
        match name {
            "greet" => greet(parameters),
            _ => Err(failure!("not-found", "This plugin has no such tool.")),
        }
        .into()
    }
}

fn greet(parameters: &str) -> Result<Str, Error> {
    let who = json_text(parameters, "name").filter(|who| !who.is_empty());
    let who = who.ok_or_else(|| failure!("invalid-parameters", "Say whom to greet."))?;
    let key = format!("greeted/{who}");
    let before: Option<kv::Entry> = Result::from(kv::get(&key))?.into();
    let times = before.map_or(0, |entry| entry.value.text().parse().unwrap_or(0)) + 1;
    Result::from(kv::put(&key, &times.to_string(), None.into()))?;
    log::emit(log::Level::INFO, &format!("greeted {who}"));
    let answer = format!("{}, {who}! ({times})", greeting());
    Ok(json_quote(&answer).into())
}

/// The word from the configuration, which comes as JSON text.
fn greeting() -> String {
    let found: Option<Str> = config::get("greeting").into();
    let whole = found.map(|word| format!("{{\"it\":{}}}", word.text()));
    let word = whole.and_then(|whole| json_text(&whole, "it"));
    word.unwrap_or("Hello").to_string()
}
