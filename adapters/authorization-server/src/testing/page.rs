//! Pages as a browser reads them: where their form goes, and what is filled in.

/// A form of a page.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) fields: Vec<(String, String)>,
}

/// The first form of the page; of several submit buttons the one with the value `decision`, or the
/// first one when none has it.
pub(super) fn form(page: &str, decision: &str) -> Option<Form> {
    let page = tl::parse(page, tl::ParserOptions::default()).ok()?;
    let parser = page.parser();
    let attribute = |tag: &tl::HTMLTag<'_>, name: &str| -> Option<String> {
        let value = tag.attributes().get(name)??;
        Some(html_escape::decode_html_entities(&value.as_utf8_str()).into_owned())
    };
    let form = page.query_selector("form")?.next()?.get(parser)?.as_tag()?;
    let action = attribute(form, "action").unwrap_or_default();
    let (mut fields, mut buttons) = (Vec::new(), Vec::new());
    for node in form.children().all(parser) {
        let Some(tag) = node.as_tag() else { continue };
        let Some(name) = attribute(tag, "name") else { continue };
        let value = attribute(tag, "value").unwrap_or_default();
        let is_button =
            tag.name() == "button" || attribute(tag, "type").as_deref() == Some("submit");
        if is_button { &mut buttons } else { &mut fields }.push((name, value));
    }
    let pressed = buttons.iter().position(|(_, value)| value == decision).unwrap_or_default();
    fields.extend(buttons.into_iter().nth(pressed));
    Some(Form { action, fields })
}

/// `scheme://authority` of a URL.
pub(super) fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(authority..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    url.get(..end).unwrap_or(url)
}

/// A `Location` or form action as browsers read it: a URL, a path, or nothing for the page itself.
pub(super) fn resolve(page: &str, target: &str) -> String {
    if target.is_empty() {
        page.to_owned()
    } else if target.starts_with('/') {
        format!("{}{target}", origin(page))
    } else {
        target.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<p><form method="post" action="/login?a=1&amp;b=2"><label>Name <input name="username"></label>
        <input type="hidden" name="request" value="r&quot;1"><button name="decision" value="approve">Yes</button>
        <button name="decision" value="deny">No</button></form>"#;

    #[test]
    fn a_form_is_read_with_what_is_filled_in_and_one_button() {
        for (decision, pressed) in [("approve", "approve"), ("deny", "deny"), ("?", "approve")] {
            let form = form(PAGE, decision).unwrap();
            assert_eq!(form.action, "/login?a=1&b=2");
            let fields: Vec<_> =
                form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(fields, [("username", ""), ("request", "r\"1"), ("decision", pressed)]);
        }
        assert_eq!(form("<p>no form</p>", "approve"), None);
    }

    #[test]
    fn targets_are_resolved_against_their_page() {
        let page = "http://127.0.0.1:9000/authorize?x=1";
        assert_eq!(resolve(page, "/login"), "http://127.0.0.1:9000/login");
        assert_eq!(resolve(page, ""), page);
        assert_eq!(resolve(page, "http://localhost:3030/"), "http://localhost:3030/");
    }
}
