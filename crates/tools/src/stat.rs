//! `skstat`.

use skupper_client::Client;
use skupper_management::Value;
use skupper_management::protocol::Request;
use skupper_management::tools::Format;
use skupper_management::tools::stat::{
    Answers, Display, Need, Options, heading, log_lines, needs, render,
};

use crate::arguments::Skstat;
use crate::connect::connect;
use crate::error::ToolError;
use crate::manage::rows;

pub(crate) async fn run(arguments: Skstat) -> Result<String, ToolError> {
    let client = connect(&arguments.connection, &arguments.target)?;
    let display = arguments.display.display();
    let options = Options {
        verbose: arguments.common.verbose > 0,
        format: if arguments.csv {
            Format::Csv
        } else {
            Format::Aligned
        },
    };
    if !arguments.all_routers {
        return show(
            &client,
            display,
            options,
            arguments.limit,
            display.has_heading(),
        )
        .await;
    }
    let nodes = client.request(&Request::of_agent("GET-MGMT-NODES")).await?;
    let mut text = format!(
        "{}+00:00 UTC\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S.%6f")
    );
    for address in nodes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let address = address.strip_prefix("amqp:/").unwrap_or(address);
        let router = address.split('/').nth(2).unwrap_or(address);
        text.push_str(&format!("Router  {router}\n\n"));
        let client = client.clone().with_agent(address);
        text.push_str(&show(&client, display, options, arguments.limit, false).await?);
        text.push('\n');
    }
    Ok(text)
}

async fn show(
    client: &Client,
    display: Display,
    options: Options,
    limit: usize,
    with_heading: bool,
) -> Result<String, ToolError> {
    if display == Display::Log {
        let request = Request::log(i64::try_from(limit).unwrap_or(i64::MAX));
        let log = client.ask(&request).await?.into_body(&request)?;
        return Ok(log_lines(&log, &jiff::tz::TimeZone::system()));
    }
    let mut answers = Answers::new();
    for Need {
        kind,
        attributes,
        limited,
    } in needs(display, with_heading)
    {
        let request = Request::query(kind, attributes);
        let most = if limited && limit > 0 {
            limit
        } else {
            usize::MAX
        };
        let rows = rows(client, &request, Some(kind), most).await?;
        answers.insert(kind, rows.entities().collect());
    }
    let above = if with_heading {
        heading(jiff::Timestamp::now(), &answers)
    } else {
        String::new()
    };
    Ok(above + &render(display, &answers, options))
}
