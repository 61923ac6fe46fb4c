/* SPDX-License-Identifier: ISC */
/* The page about one or several databases. Everything foreign gets in as text
 * (textContent), never as markup. */
"use strict";
(function () {
	const data = JSON.parse(document.getElementById("data").textContent);
	const dbs = data.databases;
	const several = dbs.length > 1;
	const colours = ["#2f81f7", "#d4722a", "#2da44e", "#a371f7", "#db61a2",
		"#b08800", "#1b9aaa", "#e5534b"];
	/* Of what is no answer: nothing green among them. */
	const troubles = ["#d4722a", "#e5534b", "#a371f7", "#b08800", "#db61a2",
		"#6e7681", "#2f81f7", "#8c4a2f"];
	const PER_PAGE = 100;

	const find = (id) => document.getElementById(id);

	function make(name, text, parent, set) {
		const node = document.createElement(name);
		if (text !== undefined && text !== null)
			node.textContent = text;
		Object.assign(node, set);
		if (parent)
			parent.append(node);
		return node;
	}

	/* ---- numbers for people ---- */

	const count = (n) => n.toLocaleString("en-US");

	function time(ms) {
		if (ms === null || ms === undefined || ms < 0)
			return "";
		if (ms < 1000)
			return Math.round(ms) + " ms";
		const s = ms / 1000;
		if (s < 100)
			return s.toFixed(1) + " s";
		const m = Math.floor(s / 60);
		if (m < 100)
			return m + " m " + Math.round(s % 60) + " s";
		return Math.floor(m / 60) + " h " + (m % 60) + " m";
	}

	function short(n) {
		if (n === null || n === undefined)
			return "";
		const size = Math.abs(n);
		if (size >= 1e6)
			return +(n / 1e6).toPrecision(3) + " M";
		if (size >= 1e4)
			return +(n / 1e3).toPrecision(3) + " k";
		return String(+n.toPrecision(3));
	}

	/* ---- what survives when the page is read anew ---- */

	const kept = (() => {
		try {
			return JSON.parse(decodeURIComponent(
				location.hash.slice(1))) || {};
		} catch (_) {
			return {};
		}
	})();
	const wish = Object.assign({ text: "", state: "", outcome: "",
		database: "", sort: "", down: false, page: 0, theme: "" },
		typeof kept === "object" ? kept : {});

	function keep() {
		const hash = "#" + encodeURIComponent(JSON.stringify(wish));
		try {
			history.replaceState(null, "", hash);
		} catch (_) {
			location.hash = hash;
		}
	}

	/* ---- databases ---- */

	function entry(list, name, value, style) {
		if (value === undefined || value === null || value === "")
			return;
		make("dt", name, list);
		make("dd", value, list, { className: style || "" });
	}

	function showDatabase(db) {
		const s = db.status;
		const run = s.last_run;
		const card = make("article", null, find("databases"),
			{ className: "card" });
		const list = make("h3", s.database, card) &&
			make("dl", null, card);
		entry(list, "prompts", count(s.total));
		entry(list, "answered", count(s.answered), "good");
		entry(list, "failed", s.failed ? count(s.failed) : "", "bad");
		entry(list, "open", s.open ? count(s.open) : "");
		entry(list, "cut short", s.cut_short ? count(s.cut_short) : "");
		if (s.latency_ms)
			entry(list, "latency", ["p50", "p95", "p99"].map((p) =>
				p + " " + time(s.latency_ms[p])).join(", "));
		if (s.input_tokens + s.output_tokens)
			entry(list, "tokens", count(s.input_tokens) + " in, " +
				count(s.output_tokens) + " out");
		entry(list, "cost", s.cost === null ? "" : String(s.cost));
		entry(list, "attempts", count(s.attempts) + Object.entries(
			s.attempts_by).filter((e) => e[1]).map((e) =>
			", " + count(e[1]) + " " + e[0]).join(""));
		for (const [cause, what] of Object.entries(s.failed_by))
			entry(list, cause, count(what.count) + (what.id ?
				"; prompt " + what.id + ": " + what.reason :
				""), "bad");
		if (run) {
			entry(list, s.runs > 1 ? "last of " + s.runs + " runs" :
				"run", run.status + ", from " + run.started_at +
				" UTC" + (run.seconds === null ? "" :
				", took " + time(run.seconds * 1000)) +
				(run.rate ? ", " + short(run.rate) + "/s" : ""));
			entry(list, "on", run.host + ", llmill " + run.version);
		}
		entry(list, "shard", s.shard);
		entry(list, "command", db.command);
		const settings = Object.entries(db.settings || {}).filter((e) =>
			e[1] !== null && e[1] !== 0 && e[1] !== false &&
			e[1] !== "" && e[0] !== "requests");
		if (settings.length) {
			const more = make("details", null, card);
			make("summary", "settings", more);
			const all = make("dl", null, more);
			for (const [name, value] of settings)
				entry(all, name, typeof value === "object" ?
					JSON.stringify(value) : String(value));
		}
	}

	/* ---- plots ---- */

	const style = (name) => getComputedStyle(
		document.documentElement).getPropertyValue(name).trim();
	let plots = [];

	/* A place for one; draw(width) gives what can be destroyed. */
	function place(title, draw) {
		const card = make("article", null, find("plots"),
			{ className: "card" });
		make("h3", title, card);
		const box = make("div", null, card, { className: "plot" });
		plots.push({ box, draw, drawn: null });
	}

	function drawAll() {
		for (const plot of plots) {
			if (plot.drawn)
				plot.drawn.destroy();
			plot.box.replaceChildren();
			plot.drawn = plot.draw(plot.box,
				Math.max(plot.box.clientWidth, 200));
		}
	}

	function axes(valueText, xText) {
		const one = { stroke: style("--faint"), font: "12px sans-serif",
			grid: { stroke: style("--line"), width: 1 },
			ticks: { stroke: style("--line"), width: 1 } };
		return [Object.assign({}, one, { values: (_, v) =>
			v.map(xText) }), Object.assign({}, one, { size: 58,
			values: (_, v) => v.map(valueText) })];
	}

	const seconds = (v) => v === null ? "" : time(v * 1000);

	/* Lines over working time; each has its own xs, brought together. */
	function lines(title, valueText, all, options) {
		all = all.filter((line) => line.xs.length > 1);
		if (!all.length)
			return;
		place(title, (box, width) => {
			const joined = all.length > 1 ? uPlot.join(all.map(
				(line) => [line.xs, line.ys])) :
				[all[0].xs, all[0].ys];
			return new uPlot(Object.assign({ width, height: 220,
				scales: { x: { time: false } },
				axes: axes(valueText, seconds),
				series: [{ label: "at", value: (_, v) =>
					seconds(v) }].concat(all.map((line, i) =>
					({ label: line.label, spanGaps: true,
						points: { show: false },
						stroke: line.colour ||
							colours[i % colours.length],
						fill: line.fill,
						width: 1.5, value: (_, v) =>
							v === null ? "" :
							valueText(v) }))) },
				options), joined, box);
		});
	}

	const xsOf = (db) => db.bins.map((_, i) => (i + 0.5) * db.bin_ms / 1000);
	const nameOf = (db, what) => several ?
		(what ? what + ", " : "") + db.short : what;

	function overTime(title, valueText, of, what) {
		lines(title, valueText, dbs.map((db) => ({ xs: xsOf(db),
			ys: db.bins.map((bin) => of(db, bin)),
			label: nameOf(db, what) })));
	}

	function stacked(db) {
		const names = Object.keys(db.status.attempts_by).filter((name) =>
			db.bins.some((bin) => bin.by[name]));
		const xs = xsOf(db);
		let below = db.bins.map(() => 0);
		const layers = names.map((name, i) => {
			below = below.map((y, k) => y + (db.bins[k].by[name] ||
				0) * 60000 / db.bin_ms);
			const colour = name === "ok" ? "#2da44e" :
				troubles[i % troubles.length];
			return { label: name, ys: below, xs, colour,
				fill: colour };
		});
		/* The highest first: the others are painted over it. */
		lines("Outcomes per minute, stacked" + (several ? ": " +
			db.short : ""), short, layers.reverse());
	}

	function bars(title, labels, all) {
		if (!all.some((one) => one.ys.some((y) => y)))
			return;
		const marks = (one) => Object.assign(one, { incrs: [1, 2, 4, 8] });
		place(title, (box, width) => new uPlot({ width, height: 220,
			scales: { x: { time: false, range: (_, low, high) =>
				[low - 0.6, high + 0.6] } },
			axes: axes(short, (v) => labels[v] || "").map((axis,
				i) => i ? axis : marks(axis)),
			series: [{ label: "at", value: (_, v) =>
				labels[v] || "" }].concat(all.map((one, i) => ({
				label: one.label, stroke: colours[i %
					colours.length],
				fill: colours[i % colours.length] + "88",
				paths: uPlot.paths.bars({ size: [0.8] }),
				points: { show: false },
				value: (_, v) => v === null ? "" : count(v)
			}))) }, [labels.map((_, i) => i)].concat(all.map((one) =>
			one.ys)), box));
	}

	function distribution() {
		const bounds = data.latency_bounds_ms;
		const used = bounds.map((_, i) => dbs.some((db) =>
			db.latency_counts[i]));
		/* A bar without neighbours says little: one more on each side. */
		const first = Math.max(0, used.indexOf(true) - 1);
		const last = used.lastIndexOf(true) + 2;
		if (last < 2)
			return;
		bars("Latency of answers" + dbs.map((db) => {
			const l = db.status.latency_ms;
			return l ? "; " + nameOf(db, "") + (several ? ": " : "") +
				"p50 " + time(l.p50) + ", p95 " + time(l.p95) +
				", p99 " + time(l.p99) : "";
		}).join(""), bounds.slice(first, last).map((ms) => "≤ " +
			time(ms)), dbs.map((db) => ({ label: nameOf(db,
			"answers"), ys: db.latency_counts.slice(first, last) })));
	}

	/* Who worked when: a lane for each worker, its busy time, and marks. */
	function lanes(db) {
		if (!db.lanes.length)
			return;
		const marks = ["start", "death", "replaced"];
		place("Workers" + (several ? ": " + db.short : "") +
			(db.workers > db.lanes.length ? " (the first " +
			db.lanes.length + " of " + count(db.workers) + ")" : "") +
			": busy time, ▲ starts, ✕ deaths, ◆ replaced",
			(box, width) => {
				const high = Math.max(6, Math.min(18,
					Math.floor(260 / db.lanes.length)));
				const canvas = make("canvas", null, box,
					{ className: "lanes" });
				const scale = window.devicePixelRatio || 1;
				const bins = db.bins.length;
				const total = high * db.lanes.length;
				canvas.width = width * scale;
				canvas.height = total * scale;
				canvas.style.height = total + "px";
				canvas.setAttribute("role", "img");
				canvas.setAttribute("aria-label",
					db.events.length + " events of " +
					db.lanes.length + " workers");
				const c = canvas.getContext("2d");
				c.scale(scale, scale);
				db.lanes.forEach((lane, w) => {
					[...lane].forEach((digit, i) => {
						const share = parseInt(digit, 36) / 35;
						if (!share)
							return;
						c.globalAlpha = 0.15 + 0.75 * share;
						c.fillStyle = colours[0];
						c.fillRect(i * width / bins,
							w * high + 1, width / bins + 0.5,
							high - 2);
					});
				});
				c.globalAlpha = 1;
				c.font = Math.min(high + 2, 12) + "px sans-serif";
				c.textAlign = "center";
				c.textBaseline = "middle";
				for (const [worker, ms, kind] of db.events) {
					c.fillStyle = style(["--good", "--bad",
						"--text"][kind]);
					c.fillText("▲✕◆"[kind], ms * width /
						(bins * db.bin_ms),
						(worker + 0.5) * high);
				}
				canvas.title = marks.map((name, kind) => count(
					db.events.filter((e) => e[2] === kind).length) +
					" × " + name).join(", ");
				return { destroy: () => canvas.remove() };
			});
	}

	function showPlots() {
		const perSecond = (db, n) => n * 1000 / db.bin_ms;
		overTime("Throughput: answers per second", short, (db, bin) =>
			perSecond(db, bin.answers), "answers/s");
		overTime("Calls in flight", short, (db, bin) => bin.busy,
			"in flight");
		distribution();
		lines("Latency over time: p50, p95, p99", seconds, dbs.flatMap(
			(db) => ["p50", "p95", "p99"].map((p) => ({
				xs: xsOf(db), label: nameOf(db, p),
				ys: db.bins.map((bin) => bin[p] === null ? null :
					bin[p] / 1000) }))));
		dbs.forEach(stacked);
		if (dbs.some((db) => db.status.output_tokens +
			db.status.input_tokens))
			lines("Tokens per second", short, dbs.flatMap((db) => [
				{ xs: xsOf(db), label: nameOf(db, "out"),
					ys: db.bins.map((bin) =>
						perSecond(db, bin.out)) },
				{ xs: xsOf(db), label: nameOf(db, "in"),
					ys: db.bins.map((bin) =>
						perSecond(db, bin.in)) }]));
		dbs.forEach(lanes);
		const most = Math.max(...dbs.map((db) => db.tries.length));
		bars("Attempts per prompt", Array.from({ length: most },
			(_, i) => (i + 1) + (i + 1 === data.tries_most ? "+" : "")),
			dbs.map((db) => ({ label: nameOf(db, "prompts"),
				ys: Array.from({ length: most }, (_, i) =>
					db.tries[i] || 0) })));
	}

	/* ---- prompts ---- */

	const ID = 0, STATE = 1, ATTEMPTS = 2, MS = 3, IN = 4, OUT = 5,
		OUTCOME = 6, PROMPT = 7, RESULT = 8, ERROR = 9, MODEL = 10,
		DB = 11;
	const states = ["open", "answered", "failed"];
	const rows = dbs.flatMap((db, i) => db.rows.map((row) => {
		row[DB] = i;
		return row;
	}));
	/* A column in which nothing stands takes room from those with texts. */
	const columns = [["database", DB], ["id", ID, 1], ["state", STATE],
		["tries", ATTEMPTS, 1], ["latency", MS, 1], ["in", IN, 1],
		["out", OUT, 1], ["prompt", PROMPT], ["answer", RESULT]].filter(
		(column) => column[1] === DB ? several :
			rows.some((row) => row[column[1]] !== null));
	let found = rows;

	function matches(row, words) {
		if (wish.state && states[row[STATE]] !== wish.state)
			return false;
		if (wish.outcome && row[OUTCOME] !== wish.outcome)
			return false;
		if (wish.database !== "" && row[DB] !== +wish.database)
			return false;
		return !words || [PROMPT, RESULT, ERROR].some((at) => row[at] &&
			row[at].toLowerCase().includes(words)) ||
			String(row[ID]) === words;
	}

	function compare(a, b) {
		if (a === b)
			return 0;
		if (a === null)
			return 1;
		if (b === null)
			return -1;
		return a < b ? -1 : 1;
	}

	function search() {
		const words = wish.text.trim().toLowerCase();
		const at = columns.find((column) => column[0] === wish.sort);
		found = rows.filter((row) => matches(row, words));
		if (at)
			found.sort((a, b) => compare(a[at[1]], b[at[1]]) *
				(wish.down ? -1 : 1));
		showRows();
	}

	const first = (text) => text === null ? "" :
		text.length > 200 ? text.slice(0, 200) + "…" : text;

	function cell(row, at) {
		switch (at) {
		case STATE:
			return states[row[at]] + (row[STATE] === 2 ? ": " +
				(row[OUTCOME] || "unknown") : "");
		case MS:
			return time(row[at]);
		case PROMPT:
		case RESULT:
			return first(row[at]);
		case DB:
			return dbs[row[at]].short;
		default:
			return row[at] === null ? "" : count(row[at]);
		}
	}

	function unfold(line, row) {
		const open = line.nextSibling;
		if (open && open.className === "more") {
			open.remove();
			line.setAttribute("aria-expanded", "false");
			return;
		}
		const more = make("tr", null, null, { className: "more" });
		const box = make("td", null, more, { colSpan: columns.length });
		const parts = [["prompt", row[PROMPT]], ["answer", row[STATE] === 1 ?
			row[RESULT] : null], ["failed", row[STATE] === 2 ?
			row[RESULT] : null], ["last error", row[ERROR]],
			["model", row[MODEL]]];
		for (const [name, text] of parts) {
			if (text === null || text === undefined)
				continue;
			make("div", name, box, { className: "faint" });
			make("pre", text, box).dir = "auto";
		}
		line.after(more);
		line.setAttribute("aria-expanded", "true");
	}

	function showRows() {
		const last = Math.max(0, Math.ceil(found.length / PER_PAGE) - 1);
		const body = document.querySelector("#list tbody");
		wish.page = Math.min(Math.max(0, +wish.page || 0), last);
		const from = wish.page * PER_PAGE;
		const part = found.slice(from, from + PER_PAGE);
		body.replaceChildren();
		for (const row of part) {
			const line = make("tr", null, body, { className: "row",
				tabIndex: 0 });
			line.setAttribute("aria-expanded", "false");
			for (const [, at, isNumber] of columns) {
				const td = make("td", cell(row, at), line, {
					className: isNumber ? "number" :
					at === PROMPT || at === RESULT ? "text" :
					at === STATE && row[STATE] === 2 ? "bad" :
					"" });
				if (at === PROMPT || at === RESULT)
					td.dir = "auto";
			}
			line.addEventListener("click", () => unfold(line, row));
			line.addEventListener("keydown", (event) => {
				if (event.key === "Enter" || event.key === " ") {
					event.preventDefault();
					unfold(line, row);
				}
			});
		}
		find("found").textContent = count(found.length) + " of " +
			count(rows.length);
		find("page").textContent = found.length ? count(from + 1) + "–" +
			count(from + part.length) + " of " + count(found.length) :
			"nothing found";
		find("back").disabled = wish.page === 0;
		find("on").disabled = wish.page === last;
		keep();
	}

	function showHead() {
		const head = document.querySelector("#list thead tr");
		for (const [name, , isNumber] of columns) {
			const th = make("th", null, head, { scope: "col",
				className: isNumber ? "number" : "" });
			const sort = make("button", name, th, { type: "button" });
			sort.addEventListener("click", () => {
				wish.down = wish.sort === name && !wish.down;
				wish.sort = name;
				for (const other of head.children)
					other.removeAttribute("aria-sort");
				th.setAttribute("aria-sort", wish.down ?
					"descending" : "ascending");
				search();
			});
		}
	}

	function beginSearch() {
		const outcomes = [...new Set(rows.map((row) =>
			row[OUTCOME]))].filter(Boolean).sort();
		for (const name of outcomes)
			make("option", name, find("outcome"));
		dbs.forEach((db, i) => make("option", db.short,
			find("database"), { value: i }));
		find("which").hidden = !several;
		for (const id of ["text", "state", "outcome", "database"]) {
			find(id).value = wish[id];
			const change = () => {
				if (wish[id] === find(id).value)
					return;
				wish[id] = find(id).value;
				wish.page = 0;
				search();
			};
			find(id).addEventListener("input", change);
			find(id).addEventListener("change", change);
		}
		find("find").addEventListener("submit", (event) =>
			event.preventDefault());
		const turn = (by) => () => {
			wish.page += by;
			showRows();
		};
		find("back").addEventListener("click", turn(-1));
		find("on").addEventListener("click", turn(1));
		const cut = dbs.filter((db) => db.rows_note);
		find("sampled").textContent = cut.map((db) => (several ?
			db.short + ": " : "") + db.rows_note).join(" ");
		showHead();
		search();
	}

	/* ---- all of it ---- */

	function setTheme() {
		if (wish.theme)
			document.documentElement.dataset.theme = wish.theme;
		const dark = wish.theme ? wish.theme === "dark" :
			matchMedia("(prefers-color-scheme: dark)").matches;
		find("theme").textContent = dark ? "Light" : "Dark";
		return dark;
	}

	const parts = dbs.map((db) => db.status.database.split("/"));
	const same = (at) => parts.filter((p) => p[p.length - 1] ===
		at[at.length - 1]).length > 1;
	dbs.forEach((db, i) => {
		db.short = same(parts[i]) ? db.status.database :
			parts[i][parts[i].length - 1];
	});
	document.querySelector("h1").textContent = several ?
		dbs.length + " databases" : dbs[0].status.database;
	find("about").textContent = "As of " + data.made + (data.running ?
		"; a run goes on, this page reads itself anew" : "");
	find("theme").addEventListener("click", () => {
		wish.theme = setTheme() ? "light" : "dark";
		setTheme();
		drawAll();
		keep();
	});
	setTheme();
	dbs.forEach(showDatabase);
	showPlots();
	drawAll();
	beginSearch();
	let width = window.innerWidth;
	window.addEventListener("resize", () => {
		if (window.innerWidth !== width)
			drawAll();
		width = window.innerWidth;
	});
	if (data.running)
		setTimeout(() => location.reload(), data.again_ms);
})();
