//! `skmanage`.

use std::io::Read;

use skupper_client::Client;
use skupper_management::protocol::{QueryResult, Request, Status};
use skupper_management::tools::manage::{Invocation, Print, Task, print, task};
use skupper_management::{Kind, Value};

use crate::arguments::Skmanage;
use crate::connect::connect;
use crate::error::ToolError;

/// Rows asked for at a time, where the router answers page by page.
const PAGE: usize = 500;

pub(crate) async fn run(arguments: Skmanage) -> Result<String, ToolError> {
    let indent = arguments.indent;
    let invocation = invocation(&arguments)?;
    let task = task(&invocation)?;
    let client = connect(&arguments.connection, &arguments.target)?;
    match task {
        Task::Query(request) => {
            let kind = request.entity_type.as_deref().and_then(Kind::named);
            let rows = rows(&client, &request, kind, usize::MAX).await?;
            let entities: Value = rows.entities().map(Value::Object).collect();
            Ok(print(&entities, Print::Json, indent))
        }
        Task::Ask {
            request,
            expected,
            print: what,
        } => Ok(print(
            &ask(&client, &request, expected).await?,
            what,
            indent,
        )),
        Task::Each { requests, expected } => {
            let mut bodies = Vec::with_capacity(requests.len());
            for request in &requests {
                bodies.push(ask(&client, request, expected).await?);
            }
            Ok(print(&Value::Array(bodies), Print::Json, indent))
        }
    }
}

fn invocation(arguments: &Skmanage) -> Result<Invocation, ToolError> {
    let mut words = arguments.words.iter().cloned();
    let mut stdin = None;
    if arguments.stdin {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| ToolError::File {
                option: "--stdin",
                path: "-".to_owned(),
                error,
            })?;
        stdin = Some(text);
    }
    Ok(Invocation {
        operation: words.next().unwrap_or_default(),
        words: words.collect(),
        kind: arguments.r#type.clone(),
        name: arguments.name.clone(),
        identity: arguments.identity.clone(),
        body: arguments.body.clone(),
        properties: arguments.properties.clone(),
        stdin,
    })
}

async fn ask(client: &Client, request: &Request, expected: Status) -> Result<Value, ToolError> {
    let reply = client.ask(request).await?;
    if reply.status == expected {
        return Ok(reply.body);
    }
    Err(ToolError::status(reply.status, expected, reply.description))
}

/// The rows of a query: page by page where every router answers so, else at once, and at most `most`.
pub(crate) async fn rows(
    client: &Client,
    request: &Request,
    kind: Option<Kind>,
    most: usize,
) -> Result<QueryResult, ToolError> {
    if !kind.is_some_and(Kind::is_paged) {
        let mut rows = client.ask(request).await?.into_rows(request)?;
        rows.results.truncate(most);
        return Ok(rows);
    }
    let mut all = QueryResult::default();
    loop {
        let count = PAGE.min(most - all.results.len());
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let page = request
            .clone()
            .page(number(all.results.len()), number(count));
        let rows = client.ask(&page).await?.into_rows(&page)?;
        let got = rows.results.len();
        all.attribute_names = rows.attribute_names;
        all.results.extend(rows.results);
        if got < count || all.results.len() >= most {
            return Ok(all);
        }
    }
}
