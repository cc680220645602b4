use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::Client;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use crate::board::{Board, Look, Row};
use crate::broker::Broker;
use crate::cart_service::{CartEvent, CartOrder};
use crate::database::{Books, Carts, Orders, Tally};
use crate::order_service::{Order, OrderEvent};
use crate::plan::{Fate, Fault, Plan};
use crate::process::{Heard, Service, last_lines};

/// What the demo is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary that is started as broker and as services.
    pub program: PathBuf,
    /// How long orders come in.
    pub length: Duration,
    /// Orders a second.
    pub rate: f64,
    /// What the course of faults is drawn from.
    pub seed: u64,
    /// What may go wrong.
    pub faults: BTreeSet<Fault>,
    /// Whether messages and rows are one; otherwise the message is sent after the row.
    pub transactions: bool,
    /// The name server of a broker that runs already; without one the demo starts its own.
    pub address: Option<String>,
    /// Whether the directory with databases and logs is kept.
    pub keep: bool,
    /// How it is shown.
    pub look: Look,
}

/// What a broker of ours says about its transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokerCounts {
    /// Undecided ones.
    pub open: u64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the databases say in the end.
    pub tally: Tally,
}

impl Report {
    /// Whether every paid order's cart is cleared, and no other.
    pub fn passed(&self) -> bool {
        self.tally.lost == 0 && self.tally.phantom == 0 && self.tally.paid > 0
    }
}

/// Instances of each service.
const INSTANCES: usize = 2;
/// How long a service that died stays away.
const AWAY: Duration = Duration::from_millis(250);
/// Between two looks at the databases.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// An order whose cart is not cleared for so long counts as lost in the table. The verdict waits longer.
const LATE: Duration = Duration::from_secs(6);
/// How long the end may take, with our own broker, and with one that checks as slowly as RocketMQ does.
const DRAIN: Duration = Duration::from_secs(30);
const DRAIN_ELSEWHERE: Duration = Duration::from_secs(150);

/// Opens the shop, lets it run, and compares the databases. `counts` asks a broker of ours how many transactions are open.
///
/// # Errors
/// When it cannot be started. Orders that are lost are no error but the verdict.
pub fn run(options: &Options, counts: fn(&str) -> Option<BrokerCounts>, out: &mut dyn Write) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let directory = tempfile::Builder::new().prefix("tandem-demo-").tempdir().context("cannot make a directory")?;
        let mut board = Board::new(out, options.look);
        let report = Shop::open(options, counts, directory.path(), &mut board).await?.run(&mut board).await?;
        if options.keep || (options.transactions && !report.passed()) {
            board.say(&format!("kept     {}", directory.keep().display()))?;
        }
        Ok(report)
    })
}

struct Shop<'a> {
    options: &'a Options,
    counts: fn(&str) -> Option<BrokerCounts>,
    directory: &'a Path,
    broker: Option<Broker>,
    nameserver: String,
    /// Names of this run: others may use the same broker.
    topic: String,
    books: Books,
    plan: Plan,
    orders: Vec<Option<Service>>,
    carts: Vec<Option<Service>>,
    order_events: UnboundedReceiver<Heard<OrderEvent>>,
    tell_orders: UnboundedSender<Heard<OrderEvent>>,
    cart_events: UnboundedReceiver<Heard<CartEvent>>,
    tell_carts: UnboundedSender<Heard<CartEvent>>,
    /// Services to be started again, and when.
    away: Vec<(Instant, Kind, usize)>,
    opened: Instant,
    numbered: u64,
    happened: RefCell<Happened>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Order,
    Cart,
}

/// What went wrong so far.
#[derive(Clone, Debug, Default)]
struct Happened {
    checks: u64,
    order_deaths: u64,
    cart_deaths: u64,
    broker_deaths: u64,
    lost_decisions: u64,
    slow: u64,
    turned: u64,
    untold: u64,
}

impl<'a> Shop<'a> {
    async fn open(
        options: &'a Options,
        counts: fn(&str) -> Option<BrokerCounts>,
        directory: &'a Path,
        board: &mut Board<'_>,
    ) -> Result<Shop<'a>> {
        let broker = match options.address {
            Some(_) => None,
            None => Some(Broker::start(&options.program, directory).await?),
        };
        let nameserver = match (&options.address, &broker) {
            (Some(address), _) => address.clone(),
            (None, Some(broker)) => broker.nameserver.clone(),
            (None, None) => unreachable!("one of both was chosen above"),
        };
        let topic = format!("PayOrderSuccess-{:x}", crate::database::now_ms());
        let (orders_db, carts_db) = (directory.join("orders.db"), directory.join("carts.db"));
        // Made here, so that there is something to compare whatever happens.
        drop((Orders::open(&orders_db)?, Carts::open(&carts_db)?));
        let (tell_orders, order_events) = unbounded_channel();
        let (tell_carts, cart_events) = unbounded_channel();
        let client = Client::builder([&nameserver]).build().await?;
        client
            .create_topic(&topic, 8)
            .await
            .with_context(|| format!("cannot create a topic by way of {nameserver}"))?;
        let mut shop = Shop {
            options,
            counts,
            directory,
            nameserver,
            topic,
            books: Books::open(&orders_db, &carts_db)?,
            plan: Plan::new(options.seed, options.faults.clone(), options.rate),
            orders: Vec::new(),
            carts: Vec::new(),
            order_events,
            tell_orders,
            cart_events,
            tell_carts,
            away: Vec::new(),
            opened: Instant::now(),
            numbered: 0,
            happened: RefCell::default(),
            broker,
        };
        shop.greet(board)?;
        for number in 0..INSTANCES {
            let (order, cart) = (shop.start_order(number)?, shop.start_cart(number)?);
            shop.orders.push(Some(order));
            shop.carts.push(Some(cart));
        }
        shop.wait_until_ready().await?;
        Ok(shop)
    }

    fn greet(&self, board: &mut Board<'_>) -> Result<()> {
        let data = self.directory.display();
        let fate = if self.options.keep { "kept" } else { "deleted on exit" };
        match &self.broker {
            Some(broker) => board.say(&format!(
                "broker   ready in {} ms   name server {}   data {data} ({fate})",
                broker.ready_in.as_millis(),
                broker.nameserver
            ))?,
            None => board.say(&format!("broker   by way of {}   data {data} ({fate})", self.nameserver))?,
        }
        let way = match self.options.transactions {
            true => "transactional messages",
            false => "messages sent after the database commit, WITHOUT transactions",
        };
        board.say(&format!("shop     {INSTANCES} order services, {INSTANCES} cart services: {way}"))?;
        let faults: Vec<&str> = self.options.faults.iter().map(|fault| fault.about()).collect();
        let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(" · ") };
        board.say(&format!("faults   {faults}   (seed {})", self.options.seed))?;
        board.json(&json!({
            "nameserver": self.nameserver, "directory": data.to_string(), "transactions": self.options.transactions,
            "seed": self.options.seed, "faults": self.options.faults.iter().map(|fault| fault.name()).collect::<Vec<_>>(),
        }))?;
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let mut waiting = 2 * INSTANCES;
        let patience = Instant::now() + DRAIN;
        while waiting > 0 {
            tokio::select! {
                Some((number, event)) = self.order_events.recv() => match event {
                    Some(OrderEvent::Ready) => waiting -= 1,
                    None => bail!("order-{} does not start:\n{}", number + 1, last_lines(&self.log(Kind::Order, number), 20)),
                    _ => {}
                },
                Some((number, event)) = self.cart_events.recv() => match event {
                    Some(CartEvent::Ready) => waiting -= 1,
                    None => bail!("cart-{} does not start:\n{}", number + 1, last_lines(&self.log(Kind::Cart, number), 20)),
                },
                () = sleep_until(patience) => bail!("{waiting} services are not ready after {} s", DRAIN.as_secs()),
            }
        }
        self.opened = Instant::now();
        Ok(())
    }

    async fn run(mut self, board: &mut Board<'_>) -> Result<Report> {
        board.say("")?;
        board.head()?;
        let length = self.options.length;
        let between = Duration::from_secs_f64(1.0 / self.options.rate);
        let mut broker_crashes = self.plan.broker_crashes(length);
        if self.broker.is_none() {
            broker_crashes.clear();
        }
        let mut cart_crashes = self.plan.cart_crashes(length);
        broker_crashes.reverse();
        cart_crashes.reverse();
        let (mut next_order, mut next_look) = (self.opened, self.opened + LOOK_EVERY);
        let closing = self.opened + length;
        let mut interrupted = false;
        while Instant::now() < closing && !interrupted {
            let at = |times: &Vec<Duration>| times.last().map_or(closing, |time| self.opened + *time);
            let (broker_dies, cart_dies) = (at(&broker_crashes), at(&cart_crashes));
            let back = self.away.iter().map(|(when, ..)| *when).min().unwrap_or(closing);
            tokio::select! {
                _ = tokio::signal::ctrl_c() => interrupted = true,
                () = sleep_until(next_order) => {
                    next_order += between;
                    self.place_order().await;
                }
                () = sleep_until(next_look) => {
                    next_look += LOOK_EVERY;
                    self.look(board, LATE)?;
                }
                () = sleep_until(back) => self.bring_back()?,
                () = sleep_until(broker_dies), if broker_dies < closing => {
                    broker_crashes.pop();
                    self.kill_broker(board).await?;
                }
                () = sleep_until(cart_dies), if cart_dies < closing => {
                    cart_crashes.pop();
                    let doomed = self.plan.pick(INSTANCES);
                    if let Some(service) = self.carts[doomed].as_mut() {
                        service.tell(&CartOrder::Crash).await;
                    }
                }
                Some(heard) = self.order_events.recv() => self.heard_order(heard),
                Some(heard) = self.cart_events.recv() => self.heard_cart(heard),
            }
        }
        if interrupted {
            board.say("^C  no more orders; the open ones are settled first")?;
        }
        let tally = self.drain(board).await?;
        self.close().await?;
        self.verdict(tally, board)
    }

    async fn place_order(&mut self) {
        let fate = self.plan.next_order();
        let first = self.plan.pick(INSTANCES);
        self.numbered += 1;
        let order = Order { order: format!("O-{:05}", self.numbered), fate };
        // A customer whose service is down is served by the other one; when both are, he comes back another time.
        for number in [first, (first + 1) % INSTANCES] {
            if let Some(service) = self.orders[number].as_mut()
                && service.tell(&order).await
            {
                let mut happened = self.happened.borrow_mut();
                match fate {
                    Fate::LoseDecision => happened.lost_decisions += 1,
                    Fate::Slow => happened.slow += 1,
                    Fate::Pay | Fate::Refuse | Fate::Crash => {}
                }
                return;
            }
        }
    }

    fn heard_order(&mut self, (number, event): Heard<OrderEvent>) {
        let mut happened = self.happened.borrow_mut();
        match event {
            Some(OrderEvent::Ready) => {}
            Some(OrderEvent::Checked { .. }) => happened.checks += 1,
            Some(OrderEvent::Turned { .. }) => happened.turned += 1,
            Some(OrderEvent::Untold { .. }) => happened.untold += 1,
            None => {
                happened.order_deaths += 1;
                self.orders[number] = None;
                self.away.push((Instant::now() + AWAY, Kind::Order, number));
            }
        }
    }

    fn heard_cart(&mut self, (number, event): Heard<CartEvent>) {
        match event {
            Some(CartEvent::Ready) => {}
            None => {
                self.happened.borrow_mut().cart_deaths += 1;
                self.carts[number] = None;
                self.away.push((Instant::now() + AWAY, Kind::Cart, number));
            }
        }
    }

    /// Starts services again that have been away long enough.
    fn bring_back(&mut self) -> Result<()> {
        let now = Instant::now();
        let (back, away) = self.away.iter().copied().partition(|(when, ..)| *when <= now);
        self.away = away;
        let back: Vec<(Instant, Kind, usize)> = back;
        for (_, kind, number) in back {
            match kind {
                Kind::Order => self.orders[number] = Some(self.start_order(number)?),
                Kind::Cart => self.carts[number] = Some(self.start_cart(number)?),
            }
        }
        Ok(())
    }

    async fn kill_broker(&mut self, board: &mut Board<'_>) -> Result<()> {
        let Some(broker) = self.broker.as_mut() else { return Ok(()) };
        broker.kill().await?;
        self.happened.borrow_mut().broker_deaths += 1;
        board.event(self.opened.elapsed(), true, "broker killed (SIGKILL)")?;
        tokio::time::sleep(AWAY).await;
        broker.start_again().await?;
        let text = format!("ready again in {} ms: {}", broker.ready_in.as_millis(), broker.recovered);
        board.event(self.opened.elapsed(), false, &text)?;
        Ok(())
    }

    fn look(&mut self, board: &mut Board<'_>, patience: Duration) -> Result<Row> {
        let at = self.opened.elapsed();
        let open = self.broker.as_ref().and_then(|broker| (self.counts)(&broker.address)).map(|counts| counts.open);
        let row = Row { at, tally: self.books.tally(patience)?, open, checks: self.happened.borrow().checks };
        board.row(&row, at.subsec_millis() < LOOK_EVERY.subsec_millis())?;
        Ok(row)
    }

    /// Waits until every order that can be settled is settled: until nothing is missing and nothing changes any more, or
    /// time is up. Without transactions nothing more comes after a while.
    async fn drain(&mut self, board: &mut Board<'_>) -> Result<Tally> {
        let limit = if self.broker.is_some() { DRAIN } else { DRAIN_ELSEWHERE };
        let quiet = match (self.options.transactions, self.broker.is_some()) {
            (false, _) => Duration::from_secs(3),
            (true, true) => Duration::from_millis(500),
            // Nobody tells whether a transaction is still open there, and it may be asked about after half a minute.
            (true, false) => Duration::from_secs(45),
        };
        if self.options.transactions && self.broker.is_none() {
            board.say(&format!(
                "        this broker does not say what is open: the shop waits until nothing has changed for {} s",
                quiet.as_secs()
            ))?;
        }
        let end = Instant::now() + limit;
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let next = Instant::now() + LOOK_EVERY;
            while Instant::now() < next {
                tokio::select! {
                    Some(heard) = self.order_events.recv() => self.heard_order(heard),
                    Some(heard) = self.cart_events.recv() => self.heard_cart(heard),
                    () = sleep_until(next) => self.bring_back()?,
                }
            }
            let row = self.look(board, Duration::ZERO.max(LATE))?;
            let now = (row.tally.orders, row.tally.paid, row.tally.abandoned, row.tally.cleared, row.open);
            if last.as_ref() != Some(&now) {
                (last, since) = (Some(now), Instant::now());
            }
            let settled = !self.options.transactions
                || (row.tally.paid == row.tally.cleared && row.open.is_none_or(|open| open == 0));
            if (settled && since.elapsed() >= quiet) || Instant::now() >= end {
                return Ok(row.tally);
            }
        }
    }

    /// Ends the services in order, then the broker.
    async fn close(&mut self) -> Result<()> {
        for service in self.orders.iter_mut().chain(&mut self.carts).flatten() {
            service.dismiss();
        }
        for service in self.orders.iter_mut().chain(&mut self.carts).flatten() {
            if tokio::time::timeout(Duration::from_secs(5), service.wait()).await.is_err() {
                // It is killed with us. The databases tell the truth all the same.
                break;
            }
        }
        if let Some(broker) = self.broker.as_mut() {
            broker.kill().await?;
        }
        Ok(())
    }

    fn verdict(&self, before: Tally, board: &mut Board<'_>) -> Result<Report> {
        // What the services did while they were closed counts: the databases have the last word.
        let tally = self.books.tally(Duration::ZERO)?;
        let happened = self.happened.borrow().clone();
        let report = Report { tally };
        let Tally { paid, refused, abandoned, cleared, duplicates, lost, phantom, .. } = report.tally;
        board.say("")?;
        board.say(&format!(
            "went wrong  {} order services and {} cart services killed · broker killed {} times · {} decisions lost · {} slow \
             transactions · {} customers sent away",
            happened.order_deaths,
            happened.cart_deaths,
            happened.broker_deaths,
            happened.lost_decisions,
            happened.slow,
            happened.turned
        ))?;
        if abandoned > 0 || happened.untold > 0 {
            board.say(&format!(
                "            {abandoned} transactions that never ran rolled back by a check · {} messages that could not be sent",
                happened.untold
            ))?;
        }
        let word = if report.passed() { board.paint("32;1", "PASS") } else { board.paint("31;1", "FAIL") };
        let sign = if paid == cleared { "=" } else { "≠" };
        board.say(&format!(
            "verdict     {word}  paid {paid} {sign} carts cleared {cleared} · refused {refused}, none delivered · duplicates \
             absorbed {duplicates} · lost {lost} · phantom {phantom}"
        ))?;
        if !report.passed() && self.options.transactions {
            board
                .say(&format!("            at the end of the run: {} paid, {} cleared", before.paid, before.cleared))?;
        }
        board.json(&json!({
            "verdict": if report.passed() { "pass" } else { "fail" }, "paid": paid, "refused": refused, "abandoned": abandoned,
            "carts_cleared": cleared, "duplicates_absorbed": duplicates, "lost": lost, "phantom": phantom,
            "checks": happened.checks, "order_services_killed": happened.order_deaths,
            "cart_services_killed": happened.cart_deaths, "broker_killed": happened.broker_deaths,
            "decisions_lost": happened.lost_decisions, "slow": happened.slow, "customers_sent_away": happened.turned,
            "messages_not_sent": happened.untold,
        }))?;
        Ok(report)
    }

    fn start_order(&self, number: usize) -> Result<Service> {
        let mut command = self.command("order", number, "orders.db");
        Service::start(&mut command, number, &self.log(Kind::Order, number), self.tell_orders.clone())
    }

    fn start_cart(&self, number: usize) -> Result<Service> {
        let mut command = self.command("cart", number, "carts.db");
        Service::start(&mut command, number, &self.log(Kind::Cart, number), self.tell_carts.clone())
    }

    fn command(&self, kind: &str, number: usize, database: &str) -> Command {
        let mut command = Command::new(&self.options.program);
        command.args(["demo-service", kind, "--name", &format!("{kind}-{}", number + 1)]);
        command.args(["--nameserver", &self.nameserver, "--topic", &self.topic]);
        command.args(["--group", &format!("{kind}-{}", self.topic)]);
        command.arg("--database").arg(self.directory.join(database));
        if !self.options.transactions {
            command.arg("--without-transactions");
        }
        command
    }

    fn log(&self, kind: Kind, number: usize) -> PathBuf {
        let kind = if kind == Kind::Order { "order" } else { "cart" };
        self.directory.join(format!("{kind}-{}.log", number + 1))
    }
}
