//! Tables of text.

/// How tables are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns as wide as their widest cell, a line of `=` below the heads.
    #[default]
    Aligned,
    /// Quoted cells between commas.
    Csv,
}

/// A table with a title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What stands above it.
    pub title: String,
    /// The heads of the columns.
    pub heads: Vec<&'static str>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, heads: &[&'static str]) -> Self {
        Table {
            title: title.into(),
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A table of names and values.
    pub(super) fn of_pairs(title: &str, pairs: Vec<(&str, String)>) -> Self {
        let rows = pairs
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value])
            .collect();
        Table {
            rows,
            ..Table::new(title, &["attr", "value"])
        }
    }

    /// Sorts the rows by a column.
    pub(super) fn sort_by(&mut self, head: &str) {
        if let Some(column) = self.heads.iter().position(|own| *own == head) {
            self.rows
                .sort_by(|one, other| one.get(column).cmp(&other.get(column)));
        }
    }

    /// The table as text; of a table without rows the title only.
    pub fn render(&self, format: Format) -> String {
        let mut text = format!("{}\n", self.title);
        if self.rows.is_empty() {
            return text;
        }
        match format {
            Format::Aligned => self.aligned(&mut text),
            Format::Csv => self.csv(&mut text),
        }
        text
    }

    fn aligned(&self, text: &mut String) {
        let widths: Vec<usize> = (0..self.heads.len())
            .map(|column| {
                let cells = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count());
                cells
                    .chain([self.heads[column].chars().count()])
                    .max()
                    .unwrap_or(0)
                    + 2
            })
            .collect();
        let line = |text: &mut String, cells: &mut dyn Iterator<Item = &str>| {
            text.push_str("  ");
            let mut cells = cells.peekable();
            for width in &widths {
                let cell = cells.next().unwrap_or_default();
                text.push_str(cell);
                if cells.peek().is_some() {
                    text.extend(std::iter::repeat_n(
                        ' ',
                        width.saturating_sub(cell.chars().count()),
                    ));
                }
            }
            text.push('\n');
        };
        line(text, &mut self.heads.iter().copied());
        text.push_str("  ");
        text.extend(std::iter::repeat_n('=', widths.iter().sum()));
        text.push('\n');
        for row in &self.rows {
            line(text, &mut row.iter().map(String::as_str));
        }
    }

    fn csv(&self, text: &mut String) {
        let quote = |cell: &str| {
            if cell.is_empty() {
                String::new()
            } else {
                format!("\"{}\"", cell.replace('"', "\"\""))
            }
        };
        let heads: Vec<String> = self.heads.iter().map(|head| quote(head)).collect();
        text.push_str(&heads.join(","));
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| quote(cell)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
    }
}
