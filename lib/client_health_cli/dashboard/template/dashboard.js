"use strict";
(() => {
  const data = JSON.parse(document.getElementById("dados").textContent);
  const { axes, counts } = data.cube;
  const [PLAN, STATE, YEAR, SEX] = [0, 1, 2, 3];
  const selects = ["convenio", "uf", "periodo"].map((id) => document.getElementById(id));
  const shape = axes.map((axis) => axis.labels.length);
  const whole = new Intl.NumberFormat("pt-BR");
  const part = new Intl.NumberFormat("pt-BR", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const named = { F: "Feminino", M: "Masculino", "N/A": "Não informado" };
  const colours = ["#0a6583", "#b4541a", "#3f7a45", "#7d4a9c", "#b23a52", "#2f5fb3", "#8a6a14", "#1d7f79", "#6b6152", "#9a3f72", "#4a6a8e", "#66752a"];
  const sexColours = { F: "#7d4a9c", M: "#0a6583", "N/A": "#6f7d90" };
  const grey = "#6f7d90";

  const count = (...position) => counts[position.reduce((at, one, axis) => at * shape[axis] + one, 0)];
  const nameOf = (label) => named[label] ?? label;
  // Plotly interprets a few HTML tags in labels: values from the data must show unchanged.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const chosen = () => selects.map((select) => Number(select.value));

  /* Members of an axis that match a choice. */
  function members(axis, choice) {
    const { others, spans } = axes[axis];
    if (choice === 0) return Array.from({ length: others }, (_, n) => n + 1);
    return choice > others ? spans[choice - others - 1] : [choice];
  }

  /* Classes of one axis in the chosen view, with small ones merged, and their sum. */
  function view(axis, choice, without = null) {
    const { labels, others } = axes[axis];
    const at = (position) => {
      const place = [...choice, 0];
      place[axis] = position;
      return count(...place);
    };
    let total = at(axis === SEX ? 0 : choice[axis]);
    if (total < 0) return { classes: [], total: null, rest: 0, folded: [] };
    const classes = [];
    const folded = [];
    let seen = 0;
    for (const position of members(axis, axis === SEX ? 0 : choice[axis])) {
      const value = at(position);
      if (value < 0) folded.push(labels[position]);
      if (value <= 0 || position === others) continue;
      if (without !== null && labels[position] === without) {
        total -= value;
        continue;
      }
      classes.push({ label: labels[position], value, position });
      seen += value;
    }
    return { classes, total, rest: total - seen, folded };
  }

  const bySize = (a, b) => b.value - a.value || (a.label < b.label ? -1 : 1);
  const withRest = ({ classes, rest }, label = data.others) => (rest > 0 ? [...classes, { label, value: rest, rest: true }] : classes);

  function style() {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    return { ink: colour("--ink"), quiet: colour("--quiet"), line: colour("--line"), accent: colour("--accent"), context: colour("--context"), card: colour("--card") };
  }

  function layout(more = {}) {
    const { ink, line } = style();
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true, automargin: true, tickfont: { size: 12 } };
    return {
      separators: ",.", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: ink },
      margin: { l: 8, r: 8, t: 12, b: 8 }, showlegend: false, ...more,
      xaxis: { ...axis, showgrid: false, ...more.xaxis }, yaxis: { ...axis, rangemode: "tozero", tickformat: ",d", ...more.yaxis },
    };
  }

  function draw(figure, traces, more, spoken) {
    const chart = figure.querySelector(".chart");
    const empty = traces === null;
    chart.classList.toggle("empty", empty);
    chart.setAttribute("aria-label", spoken);
    if (empty) {
      Plotly.purge(chart);
      chart.textContent = spoken;
      return;
    }
    const first = !chart.data;
    if (first) chart.textContent = "";
    Plotly.react(chart, traces, layout(more), { displayModeBar: false, responsive: true, scrollZoom: false, showTips: false });
    if (first) chart.on("plotly_afterplot", () => scalable(chart));
    scalable(chart);
  }

  /* Let a chart shrink with its container: the width of paper isn't known beforehand. */
  function scalable(chart) {
    for (const drawing of chart.querySelectorAll(".main-svg")) {
      drawing.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
    }
  }

  function fit(printing) {
    for (const chart of document.querySelectorAll(".chart:not(.empty)")) {
      const { clientWidth: width, clientHeight: height } = chart;
      if (chart.data) Plotly.relayout(chart, printing ? { width, height } : { autosize: true, width: null, height: null });
    }
  }

  function fill(figure, classes, total) {
    const rows = classes.map(({ label, value, rest }) => {
      const row = document.createElement("tr");
      row.dataset.category = label;
      row.dataset.value = value;
      if (rest) row.dataset.rest = "";
      const cells = [nameOf(label), whole.format(value), total ? part.format(value / total) : "–"];
      cells.forEach((text, number) => {
        const cell = document.createElement(number ? "td" : "th");
        if (number) cell.className = "right";
        else cell.scope = "row";
        cell.textContent = text;
        row.append(cell);
      });
      return row;
    });
    figure.querySelector("tbody").replaceChildren(...rows);
  }

  const spoken = (title, classes, total) =>
    `${title}: ${classes.map(({ label, value }) => `${nameOf(label)}, ${whole.format(value)}${total ? ` (${part.format(value / total)})` : ""}`).join("; ")}`;

  function tell(name, classes, total, paint, note = "") {
    const figure = document.getElementById(name);
    const title = figure.querySelector("h3").textContent;
    figure.querySelector("[data-note]").textContent = note;
    fill(figure, classes, total);
    if (classes.length) paint(figure, spoken(title, classes, total));
    else draw(figure, null, {}, total === null ? `Menos de ${data.smallest} clientes neste recorte.` : "Nenhum cliente neste recorte.");
  }

  function sexo(choice) {
    const found = view(SEX, choice);
    found.classes.sort(bySize);
    // With so few classes, the merged ones can be named together.
    const together = found.folded.map((label) => nameOf(label).toLowerCase()).join(" ou ");
    const classes = withRest(found, together ? `${data.others}: ${together}` : data.others);
    tell("sexo", classes, found.total, (figure, text) => {
      draw(figure, [{
        type: "pie", sort: false, direction: "clockwise", hole: 0.52,
        labels: classes.map(({ label }) => plain(nameOf(label))), values: classes.map(({ value }) => value),
        marker: { colors: classes.map(({ label, rest }) => (rest ? grey : sexColours[label] ?? grey)), line: { color: style().card, width: 2 } },
        texttemplate: "%{percent:.1%}", textposition: "inside", insidetextorientation: "horizontal",
        insidetextfont: { color: "#ffffff", size: 14 }, hovertemplate: "%{label}: %{value:,d} (%{percent:.1%})<extra></extra>",
      }], { showlegend: true, legend: { orientation: "h", x: 0.5, xanchor: "center", y: -0.06, font: { size: 13 } } }, text);
    });
  }

  function estados(choice) {
    const found = view(STATE, choice);
    const classes = found.classes.sort(bySize).slice(0, data.top);
    tell("estados", classes, found.total, (figure, text) => {
      draw(figure, [{
        type: "bar", x: classes.map(({ label }) => plain(label)), y: classes.map(({ value }) => value),
        width: (0.62 * classes.length) / data.top,
        marker: { color: style().accent, cornerradius: 6 }, texttemplate: "%{y:,d}", textposition: "outside", cliponaxis: false,
        hovertemplate: "%{x}: %{y:,d}<extra></extra>",
      }], { xaxis: { type: "category" }, margin: { l: 8, r: 8, t: 24, b: 8 } }, text);
    });
  }

  function convenios(choice) {
    const found = view(PLAN, choice, "SUS");
    found.classes.sort(bySize);
    const classes = withRest(found);
    const only = axes[PLAN].labels[choice[PLAN]] === "SUS" && choice[PLAN] > 0;
    tell("convenios", classes, found.total, (figure, text) => {
      draw(figure, [{
        type: "treemap", ids: classes.map((_, number) => `c${number}`), labels: classes.map(({ label }) => plain(nameOf(label))), parents: classes.map(() => ""),
        values: classes.map(({ value }) => value), text: classes.map(({ value }) => part.format(value / found.total)),
        marker: { colors: classes.map(({ label, position, rest }) => (rest || label === "N/A" ? grey : colours[(position - 1) % colours.length])), line: { color: style().card, width: 1 }, cornerradius: 5, pad: { t: 0, l: 0, r: 0, b: 0 } },
        texttemplate: "<b>%{label}</b><br>%{value:,d}<br>%{text}", textfont: { color: "#ffffff", size: 14 },
        hovertemplate: "%{label}: %{value:,d} (%{text})<extra></extra>", pathbar: { visible: false }, tiling: { pad: 2 }, sort: true, root: { color: "rgba(0,0,0,0)" },
      }], { margin: { l: 0, r: 0, t: 8, b: 0 } }, text);
    }, only ? "O SUS não entra neste gráfico." : "");
  }

  function anos(choice) {
    const { labels, others, spans } = axes[YEAR];
    const [, , period] = choice;
    const span = spans.length ? others + 1 : 0;
    const base = [choice[PLAN], choice[STATE], span];
    const context = span ? view(YEAR, base) : { classes: [], total: 0, rest: 0, folded: [] };
    const picked = period > 0 && period !== span;
    const found = picked ? view(YEAR, choice) : context;
    const classes = picked && period === others ? withRest(found) : found.classes;
    const note = picked ? `Período escolhido: ${labels[period] === data.others ? data.othersYear : labels[period]}.` : "";
    tell("anos", classes, found.total, (figure, text) => {
      const { accent, context: faint, card } = style();
      const line = (points, colour, width, labelled) => ({
        type: "scatter", mode: labelled ? "lines+markers+text" : "lines+markers", x: points.map(({ label }) => label), y: points.map(({ value }) => value),
        line: { color: colour, width, shape: "linear" }, marker: { color: colour, size: labelled ? 10 : 6, line: { color: card, width: 2 } },
        texttemplate: labelled ? "%{y:,d}" : undefined, textposition: "top center", cliponaxis: false, hovertemplate: "%{x}: %{y:,d}<extra></extra>",
      });
      const traces = picked ? [line(context.classes, faint, 2, false), line(classes, accent, 3, true)] : [line(classes, accent, 3, true)];
      const years = [...new Set(traces.flatMap(({ x }) => x))].sort();
      draw(figure, traces, { xaxis: { type: "category", categoryorder: "array", categoryarray: years }, margin: { l: 8, r: 20, t: 24, b: 8 } }, text);
    }, note);
  }

  function total(choice) {
    const value = count(...choice, 0);
    const text = value < 0 ? `menos de ${data.smallest}` : whole.format(value);
    const every = choice.every((one) => one === 0);
    const element = document.getElementById("total");
    element.textContent = text;
    element.dataset.value = value < 0 ? "" : value;
    document.getElementById("total-nota").textContent = every ? data.note : `de ${whole.format(Math.max(count(0, 0, 0, 0), 0))} no total`;
    document.getElementById("recorte").textContent = every ? "Todos os clientes." : `${text} ${value === 1 ? "cliente" : "clientes"} neste recorte.`;
  }

  function show() {
    const choice = chosen();
    total(choice);
    for (const visual of [anos, convenios, sexo, estados]) visual(choice);
  }

  function runs() {
    if (!data.runs.length) return;
    // Two runs may have started in the same minute: their names distinguish them.
    const names = data.runs.map(({ name }) => plain(name));
    const labels = data.runs.map(({ label }) => label);
    const bars = (parts, hover) => parts.map(([title, values, colour]) => ({
      type: "bar", orientation: "h", name: title, y: names, x: values, marker: { color: colour }, hovertemplate: `%{y}<br>${title}: ${hover}<extra></extra>`,
    }));
    const more = (format, suffix) => ({
      barmode: "stack", showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" }, bargap: 0.35,
      xaxis: { tickformat: format, ticksuffix: suffix, showgrid: true, nticks: 5, tickangle: 0 }, margin: { l: 8, r: 24, t: 40, b: 8 },
      yaxis: { type: "category", autorange: "reversed", rangemode: "normal", showgrid: false, tickvals: names, ticktext: labels },
    });
    const pick = (name) => data.runs.map((run) => run[name]);
    const figures = [
      ["linhas", bars([["publicadas", pick("published"), "#0a7fa3"], ["duplicadas", pick("duplicates"), "#c98a1b"], ["rejeitadas", pick("rejected"), "#c0455b"]], "%{x:,d}"), ",d", ""],
      ["duracao", bars(data.stages.map((stage, number) => [stage, data.runs.map(({ seconds }) => seconds[stage] ?? null), ["#0a7fa3", "#8a5cab", "#3f8a52"][number]]), "%{x:,.1f} s"), ",", " s"],
    ];
    for (const [id, traces, format, suffix] of figures) {
      const figure = document.getElementById(id);
      draw(figure, traces, more(format, suffix), figure.querySelector(".chart").getAttribute("aria-label"));
    }
  }

  function freshness() {
    if (!data.loaded) return;
    const hours = (Date.now() - Date.parse(data.loaded)) / 3.6e6;
    const relative = new Intl.RelativeTimeFormat("pt-BR", { numeric: "always" });
    const steps = [[1, "minute", 1 / 60], [48, "hour", 1], [Infinity, "day", 24]];
    const [, unit, size] = steps.find(([limit]) => hours < limit);
    const element = document.getElementById("atualidade");
    element.textContent = relative.format(-Math.max(0, Math.floor(hours / size)), unit);
    element.classList.toggle("late", hours >= data.lateHours);
    element.title = hours >= data.lateHours ? "A carga de hoje não chegou." : "";
  }

  const tabs = [...document.querySelectorAll('[role="tab"]')];
  function open(tab, focus = false) {
    for (const one of tabs) {
      const mine = one === tab;
      one.setAttribute("aria-selected", String(mine));
      one.tabIndex = mine ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !mine;
    }
    if (focus) tab.focus();
    redraw();
  }
  const panel = (name) => !document.getElementById(name).hidden;
  function redraw(all = false) {
    if (all || panel("clientes")) show();
    if (all || panel("execucoes")) runs();
  }
  for (const [number, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) open(tabs[(number + step + tabs.length) % tabs.length], true);
    });
  }
  for (const select of selects) select.addEventListener("change", show);
  document.querySelector("form").addEventListener("reset", () => setTimeout(show));
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
  matchMedia("print").addEventListener("change", ({ matches }) => {
    redraw(true);
    fit(matches);
  });
  freshness();
  open(tabs[0]);
  document.documentElement.dataset.ready = "";
})();
