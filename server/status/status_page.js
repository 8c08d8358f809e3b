// What the status page is made with, and its tiles and gauges. One module with status_regions.js.
const INTERVAL = 2000, TIMEOUT = 5000, POINTS = 60;
const $ = id => document.getElementById(id);

// ---------------------------------------------------------------------------------------------
// Making and changing elements: text is always text.

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
function svg(name, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
function setText(node, text) { if (node.textContent !== text) node.textContent = text; }
function setClass(node, name) { if (node.className !== name) node.className = name; }
function setAttr(node, key, value) { if (node.getAttribute(key) !== value) node.setAttribute(key, value); }

// Makes the children of `parent` those of `items`, in order, keeping what is there by key.
function reconcile(parent, items, keyOf, make, update) {
  const old = parent.kept || new Map();
  const kept = new Map();
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const node = old.get(key) || make(item);
    old.delete(key);
    kept.set(key, node);
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
  parent.kept = kept;
}

// ---------------------------------------------------------------------------------------------
// Numbers for people

function count(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return '–';
  if (n < 9.995 && n % 1 !== 0) return n.toFixed(n < 0.995 ? 2 : 1);
  if (n < 99950) return Math.round(n).toLocaleString('en-US');
  for (const [unit, size] of [['k', 1e3], ['M', 1e6], ['G', 1e9], ['T', 1e12]]) {
    if (n < 999.5 * size) return (n / size).toPrecision(3) + ' ' + unit;
  }
  return n.toExponential(2);
}
function bytes(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return '–';
  if (n < 1024) return Math.round(n) + ' B';
  let unit = 0;
  while (n >= 1023.5 && unit < 5) { n /= 1024; ++unit; }
  return (n < 99.95 ? n.toFixed(1).replace(/\.0$/, '') : n.toFixed(0)) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit];
}
function duration(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return s + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min ' + (s % 60) + ' s';
  if (s < 86400) return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor(s % 86400 / 3600) + ' h';
}
function latency(seconds) {
  if (seconds === null) return '–';
  if (seconds < 1e-3) return (seconds * 1e6).toFixed(0) + ' µs';
  if (seconds < 1) return (seconds * 1e3).toPrecision(3) + ' ms';
  return seconds.toPrecision(3) + ' s';
}
function exactBytes(n) { return bytes(n) + (n >= 1024 ? ' (' + n.toLocaleString('en-US') + ' bytes)' : ''); }
const same = (a, b) => a.namespace === b.namespace && a.region === b.region;
const byId = (a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

// ---------------------------------------------------------------------------------------------
// Traffic

const TILES = [
  {id: 'records', title: 'Append records', unit: '/s', show: count, rate: c => c.append_records,
   sub: r => count(r.batches) + ' batches/s, ' + count(r.refused) + ' refused/s'},
  {id: 'bytes', title: 'Append bytes', unit: '/s', show: bytes, rate: c => c.append_bytes,
   sub: r => r.batches > 0 ? bytes(r.bytes / r.batches) + ' in a batch' : 'no appends'},
  {id: 'syncs', title: 'Syncs', unit: '/s', show: count, rate: c => c.syncs,
   sub: r => r.commits > 0 ? (r.batches / r.commits).toFixed(1) + ' batches in a group commit' : 'no commits'},
  {id: 'reads', title: 'Records read', unit: '/s', show: count, rate: c => c.read_records,
   sub: r => bytes(r.read_bytes) + '/s'},
  {id: 'latency', title: 'Unary Append, p99', unit: '', show: latency, times: d => d.append_latency},
  {id: 'stream-latency', title: 'AppendStream, p99', unit: '', show: latency, times: d => d.stream_append_latency},
];
const history = {};
for (const tile of TILES) {
  history[tile.id] = [];
  if (tile.times) history[tile.id + '-p50'] = [];
  tile.value = el('div', {class: 'big', id: 'tile-' + tile.id}, '–');
  tile.subNode = el('div', {class: 'sub', id: 'sub-' + tile.id}, '\u00a0');
  tile.svg = svg('svg', {class: 'spark', viewBox: '0 0 ' + (POINTS - 1) + ' 30', preserveAspectRatio: 'none', 'aria-hidden': 'true'});
  tile.area = svg('path', {class: 'area'});
  tile.line = svg('path', {});
  tile.second = svg('path', {class: 'second'});
  tile.svg.append(svg('line', {x1: 0, x2: POINTS - 1, y1: 30, y2: 30}), tile.area, tile.second, tile.line);
  $('tiles').append(el('div', {class: 'card tile'}, el('h3', {}, tile.title), tile.value, tile.subNode, tile.svg));
}

function points(values, top) {
  const shown = [];
  values.forEach((value, i) => {
    if (value !== null) shown.push([POINTS - values.length + i, 30 - 28 * (top > 0 ? value / top : 0)]);
  });
  return shown;
}
const path = shown => shown.map(([x, y], i) => (i ? 'L' : 'M') + x + ' ' + y.toFixed(2)).join('');
function drawTile(tile) {
  const values = history[tile.id];
  const top = Math.max(...values.map(v => v || 0), 0);
  const shown = points(values, top);
  tile.line.setAttribute('d', path(shown));
  tile.area.setAttribute('d', shown.length ? path(shown) + 'L' + shown[shown.length - 1][0] + ' 30L' + shown[0][0] + ' 30Z' : '');
  tile.second.setAttribute('d', tile.times ? path(points(history[tile.id + '-p50'], top)) : '');
}
function push(id, value) {
  history[id].push(value);
  if (history[id].length > POINTS) history[id].shift();
}

// The share q of what was counted between two pictures, by straight lines inside a bucket.
function quantile(q, now, before) {
  if (!now || !before || before.counts.length !== now.counts.length) return null;
  const counts = now.counts.map((n, i) => n - before.counts[i]);
  const total = counts.reduce((a, b) => a + b, 0);
  if (!(total > 0)) return null;
  let rank = q * total;
  for (let i = 0; i < counts.length; ++i) {
    if (rank <= counts[i] && counts[i] > 0) {
      const low = i ? now.bounds_seconds[i - 1] : 0;
      const high = i < now.bounds_seconds.length ? now.bounds_seconds[i] : low;
      return low + (high - low) * rank / counts[i];
    }
    rank -= counts[i];
  }
  return now.bounds_seconds[now.bounds_seconds.length - 1];
}

let before = null;
function showTraffic(now) {
  const seconds = before ? now.uptime_seconds - before.uptime_seconds : 0;
  if (before && seconds <= 0) {  // another daemon, or this one again
    for (const id of Object.keys(history)) history[id] = [];
    before = null;
  }
  if (before) {
    const per = key => (now.counters[key] - before.counters[key]) / seconds;
    const r = {batches: per('append_batches'), refused: per('refused_batches'), bytes: per('append_bytes'),
      commits: per('commits'), read_bytes: per('read_bytes')};
    for (const tile of TILES) {
      let value, sub;
      if (tile.times) {
        value = quantile(0.99, tile.times(now), tile.times(before));
        const p50 = quantile(0.5, tile.times(now), tile.times(before));
        push(tile.id + '-p50', p50);
        sub = 'p50 ' + latency(p50) + ' (dashed)';
      } else {
        value = (tile.rate(now.counters) - tile.rate(before.counters)) / seconds;
        sub = tile.sub(r);
      }
      push(tile.id, value);
      tile.value.replaceChildren(tile.show(value), ...(tile.unit ? [el('small', {}, ' ' + tile.unit)] : []));
      setText(tile.subNode, sub);
    }
  }
  for (const tile of TILES) drawTile(tile);
  before = now;
}

// ---------------------------------------------------------------------------------------------
// Gauges

const GAUGES = [
  {id: 'mailbox', title: 'Mailboxes', show: bytes, of: d => d.levels.mailbox, sub: () => 'appends not yet answered'},
  {id: 'readers', title: 'Readers', show: bytes, of: d => d.levels.readers, sub: l => count(l.open) + ' open readers'},
  {id: 'entries', title: 'Entry log pages', show: bytes, of: d => d.levels.entries, sub: () => 'put and not finalized'},
  {id: 'open', title: 'Open regions', show: count, of: d => d.levels.regions, sub: () => '\u00a0'},
];
for (const gauge of [...GAUGES, {id: 'disk', title: 'Disk'}]) {
  gauge.fill = el('i');
  gauge.bar = el('div', {class: 'bar', role: 'meter', 'aria-label': gauge.title, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': 0}, gauge.fill);
  gauge.value = el('span', {class: 'value', id: 'gauge-' + gauge.id}, '–');
  gauge.limit = el('span', {class: 'note'}, '');
  gauge.sub = gauge.sub || (() => '');
  gauge.subNode = el('div', {class: 'sub'}, '\u00a0');
  gauge.card = el('div', {class: 'card tile gauge'}, el('h3', {}, gauge.title),
    el('div', {}, gauge.value, ' ', gauge.limit), gauge.bar, gauge.subNode);
  $('gauges').append(gauge.card);
  if (gauge.id === 'disk') GAUGES.disk = gauge;
}
function setGauge(gauge, share, words, level) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  gauge.fill.style.width = (share > 0 ? Math.max(percent, 1) : 0) + '%';
  setAttr(gauge.bar, 'aria-valuenow', String(percent));
  setAttr(gauge.bar, 'aria-valuetext', words);
  setClass(gauge.card, 'card tile gauge ' + level);
}
function showGauges(data) {
  for (const gauge of GAUGES) {
    const level = gauge.of(data);
    const share = level.limit > 0 ? level.used / level.limit : 0;
    setText(gauge.value, gauge.show(level.used));
    setText(gauge.limit, 'of ' + gauge.show(level.limit));
    setText(gauge.subNode, gauge.sub(level));
    setGauge(gauge, share, gauge.show(level.used) + ' of ' + gauge.show(level.limit), share >= .95 ? 'bad' : share >= .8 ? 'warn' : '');
  }
  const gauge = GAUGES.disk, disk = data.disk;
  if (!disk || disk.free_bytes === null) {
    setText(gauge.value, '–');
    setText(gauge.subNode, disk ? disk.error : 'not known');
    setGauge(gauge, 0, 'not known', disk ? 'bad' : '');
    return;
  }
  const free = disk.free_bytes, total = disk.total_bytes, reserve = disk.reserve_bytes, known = reserve > 0;
  const used = total === null ? null : Math.max(0, total - free);
  const below = known && free < reserve;
  const left = bytes(free) + ' free' + (known ? ', reserve ' + bytes(reserve) : '');
  setText(gauge.value, bytes(used));
  setText(gauge.limit, total === null ? '' : 'of ' + bytes(total));
  setText(gauge.subNode, below ? bytes(free) + ' free, below the reserve: appends are refused' : left);
  gauge.card.title = disk.path;
  setGauge(gauge, total > 0 ? used / total : 0, bytes(used) + ' of ' + bytes(total) + ' used, ' + left,
    below ? 'bad' : known && free < 2 * reserve ? 'warn' : '');
}
