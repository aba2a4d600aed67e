//! What lies over a view: help, details, the menu of faults, a question.

mod help;
mod palette;

use ratatui::layout::Rect;

use super::{
    action::Action,
    book, explain,
    layout::{centered, inside},
    lines::Line,
    model::{Model, Overlay, Page},
    text::{width, wrap},
    theme::Meaning,
    update::fault,
    view,
    widget::{
        Pen,
        pen::{Span, span},
    },
};

/// Columns of a page.
const PAGE: u16 = 100;

/// Draws what lies over the view, if anything does.
pub fn draw(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    draw_over(model, pen, area, model.overlay.as_ref());
}

fn draw_over(model: &Model, pen: &mut Pen<'_>, area: Rect, overlay: Option<&Overlay>) {
    match overlay {
        None => {}
        Some(Overlay::Exports(under)) => {
            draw_over(model, pen, area, under.as_deref());
            exports(pen, area);
        }
        Some(Overlay::Page { page, scroll }) => draw_page(model, pen, area, page, *scroll),
        Some(Overlay::Faults) => faults(model, pen, area),
        Some(Overlay::Confirm { question, .. }) => confirm(pen, area, question),
        Some(Overlay::Palette(palette)) => palette::draw(pen, area, palette),
    }
}

/// Scrolls the page.
pub fn scroll(model: &mut Model, by: isize) {
    let area = Rect::new(0, 0, model.size.width, model.size.height);
    let Some(Overlay::Page { page, .. }) = &model.overlay else {
        return;
    };
    let (place, lines) = page_place(model, page, area);
    let most = lines
        .len()
        .saturating_sub(usize::from(inside(place).height));
    if let Some(Overlay::Page { scroll, .. }) = &mut model.overlay {
        *scroll = scroll.saturating_add_signed(by).min(most);
    }
}

/// Where the open page is, if one is open.
#[must_use]
pub fn place(model: &Model) -> Option<Rect> {
    let Some(Overlay::Page { page, .. }) = &model.overlay else {
        return None;
    };
    let area = Rect::new(0, 0, model.size.width, model.size.height);
    Some(page_place(model, page, area).0)
}

/// The whole open page as plain text.
#[must_use]
pub fn page_text(model: &Model) -> Option<String> {
    let Some(Overlay::Page { page, .. }) = &model.overlay else {
        return None;
    };
    if let Page::Yaml(object) = page {
        return view::yaml_text(model, object).ok();
    }
    let lines = page_lines(model, page, PAGE);
    let plain: Vec<String> = lines.iter().map(Line::plain).collect();
    Some(plain.join("\n"))
}

/// Where a page is drawn, and its lines.
fn page_place(model: &Model, page: &Page, area: Rect) -> (Rect, Vec<Line>) {
    let columns = PAGE.min(area.width);
    let lines = page_lines(model, page, columns.saturating_sub(4));
    let rows = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let rows = rows.min(area.height.saturating_sub(2)).max(3);
    (centered(area, columns, rows), lines)
}

fn page_lines(model: &Model, page: &Page, columns: u16) -> Vec<Line> {
    let store = &model.snapshot.store;
    match page {
        Page::Help => help::lines(model, columns),
        Page::Timing => view::recovery::timing(model, columns),
        Page::Describe(object) => view::describe(model, object, columns),
        Page::Yaml(object) => view::yaml(model, object),
        Page::Causes(causes) => causes.lines(store, columns),
        Page::Decision(number) => book::decision(store, *number)
            .map_or_else(Vec::new, |decision| {
                explain::full(decision, model.pod(&decision.pod), columns)
            }),
    }
}

fn page_title(page: &Page) -> String {
    match page {
        Page::Help => "Keys".to_owned(),
        Page::Timing => "Timing constants".to_owned(),
        Page::Describe(object) => object.to_string(),
        Page::Yaml(object) => format!("{object} as YAML"),
        Page::Causes(causes) => format!("Why: {}", causes.title),
        Page::Decision(number) => format!("Decision {number}"),
    }
}

fn draw_page(model: &Model, pen: &mut Pen<'_>, area: Rect, page: &Page, scroll: usize) {
    let (place, lines) = page_place(model, page, area);
    let inner = panel(pen, place, &[span(page_title(page), Meaning::Title)]);
    let shown = usize::from(inner.height);
    let first = scroll.min(lines.len().saturating_sub(shown));
    view::draw_lines(pen, inner, lines.get(first..).unwrap_or_default());
    if lines.len() > shown {
        let text = format!(
            " {} to {} of {} ",
            first + 1,
            (first + shown).min(lines.len()),
            lines.len()
        );
        let bottom = place.bottom().saturating_sub(1);
        pen.right(
            place.x,
            bottom,
            place.width.saturating_sub(2),
            &text,
            Meaning::Dim,
        );
    }
}

/// An empty box over what was there; returns what is inside, a column in.
pub(super) fn panel(pen: &mut Pen<'_>, place: Rect, title: &[Span<'_>]) -> Rect {
    pen.clear(place);
    let glyphs = pen.glyphs.plain;
    pen.frame(place, glyphs, Meaning::Focus);
    pen.title(place, title, &[]);
    let inner = inside(place);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// Above the footer, as editors show what can follow a key.
fn faults(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let rows = u16::try_from(fault::MENU.len()).unwrap_or(0) + 2;
    let columns = 76.min(area.width);
    let mut place = centered(area, columns, rows);
    place.y = area.bottom().saturating_sub(place.height + 1).max(area.y);
    let target = model
        .target()
        .map_or(String::new(), |target| target.to_string());
    let title = [
        span(Action::Faults.key(), Meaning::Key),
        span(format!(" fault on {target}"), Meaning::Title),
    ];
    let inner = panel(pen, place, &title);
    for (action, y) in fault::MENU.into_iter().zip(inner.y..inner.bottom()) {
        let refusal = fault::refusal(model, action);
        let info = action.info();
        let (key, label) = match refusal {
            None => (Meaning::Key, Meaning::Strong),
            Some(_) => (Meaning::Dim, Meaning::Dim),
        };
        pen.text(inner.x, y, 2, action.key(), key);
        pen.text(inner.x + 3, y, 16, info.label, label);
        let room = inner.width.saturating_sub(19);
        pen.text(
            inner.x + 19,
            y,
            room,
            refusal.unwrap_or(info.description),
            Meaning::Dim,
        );
    }
}

/// The formats of a file.
fn exports(pen: &mut Pen<'_>, area: Rect) {
    let all = [Action::ExportText, Action::ExportJson, Action::ExportSvg];
    let rows = u16::try_from(all.len()).unwrap_or(0) + 2;
    let mut place = centered(area, 60.min(area.width), rows);
    place.y = area.bottom().saturating_sub(place.height + 1).max(area.y);
    let title = [
        span(Action::Export.key(), Meaning::Key),
        span(" write what is shown to a file", Meaning::Title),
    ];
    let inner = panel(pen, place, &title);
    for (action, y) in all.into_iter().zip(inner.y..inner.bottom()) {
        let info = action.info();
        pen.text(inner.x, y, 2, action.key(), Meaning::Key);
        pen.text(inner.x + 3, y, 6, info.label, Meaning::Strong);
        let room = inner.width.saturating_sub(9);
        pen.text(inner.x + 9, y, room, info.description, Meaning::Dim);
    }
}

fn confirm(pen: &mut Pen<'_>, area: Rect, question: &str) {
    let columns = (width(question) + 6).clamp(30, 70).min(area.width);
    let lines = wrap(question, columns.saturating_sub(4));
    let rows = u16::try_from(lines.len()).unwrap_or(1).saturating_add(4);
    let place = centered(area, columns, rows);
    let inner = panel(pen, place, &[]);
    for (line, y) in lines.iter().zip(inner.y..inner.bottom()) {
        pen.text(inner.x, y, inner.width, line, Meaning::Strong);
    }
    let answers = [
        span(Action::Yes.key(), Meaning::Key),
        span(" yes   ", Meaning::Dim),
        span("any other key", Meaning::Key),
        span(" no", Meaning::Dim),
    ];
    let last = inner.bottom().saturating_sub(1);
    if last > inner.y {
        pen.spans(inner.x, last, inner.width, &answers);
    }
}
