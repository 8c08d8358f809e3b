// The status page's regions and events, and asking for them. One module with status_page.js.

// ---------------------------------------------------------------------------------------------
// Regions

const RANK = {broken: 0, failed: 1, opening: 2, closing: 3, open: 4, closed: 5};
const LOOK = {broken: 'bad', failed: 'bad', opening: 'warn', closing: 'warn', open: 'good'};
const used = key => r => r.usage ? r.usage[key] : null;
const oldestText = o => !o ? '' : 'table ' + o.table + (o.age_seconds === null ? '' : ', ' + duration(o.age_seconds));
const COLUMNS = [
  {id: 'namespace', title: 'namespace', value: r => r.namespace, text: r => namespaceName(r.namespace)},
  {id: 'region', title: 'region', number: true, value: r => r.region, compare: byId},
  {id: 'state', title: 'state', value: r => RANK[r.state]},
  {id: 'tables', title: 'tables', number: true, minor: true, value: used('tables'), text: r => count(used('tables')(r))},
  {id: 'segments', title: 'segments', number: true, minor: true, value: used('segments'), text: r => count(used('segments')(r))},
  {id: 'records', title: 'live records', number: true, minor: true, value: used('live_records'),
   help: 'About, where a mark cuts through a segment', text: r => count(used('live_records')(r))},
  {id: 'allocated', title: 'allocated', number: true, value: used('allocated_bytes'), text: r => bytes(used('allocated_bytes')(r))},
  {id: 'live', title: 'live', number: true, value: used('live_bytes')},
  {id: 'pin', title: 'oldest live record', help: 'Its table pins the disk: nothing behind it is given back. It is at least so old',
   value: r => r.usage && r.usage.oldest ? r.usage.oldest.age_seconds : null},
];
let data = null, sortBy = 'state', descending = false, selected = null;
const namespaceName = id => { const ns = data.namespaces.find(n => n.id === id); return ns ? ns.name : String(id); };

const cellClass = c => (c.number ? 'number ' : '') + (c.minor ? 'minor ' : '') + 'c-' + c.id;
for (const column of COLUMNS) {
  const button = el('button', {type: 'button'}, column.title);
  button.addEventListener('click', () => {
    descending = sortBy === column.id ? !descending : Boolean(column.number && column.id !== 'region') || column.id === 'pin';
    sortBy = column.id;
    showRegions();
  });
  column.head = el('th', {scope: 'col', class: cellClass(column), title: column.help}, button);
  $('region-head').append(column.head);
}
function compareRegions(a, b) {
  const column = COLUMNS.find(c => c.id === sortBy);
  const x = column.value(a), y = column.value(b);
  // What is not known comes last, either way.
  if ((x === null) !== (y === null)) return x === null ? 1 : -1;
  const order = x === null ? 0 : column.compare ? column.compare(x, y) : x - y;
  if (order) return descending ? -order : order;
  return a.namespace - b.namespace || byId(a.region, b.region);
}
function makeRegion(region) {
  const row = el('tr');
  row.cells_ = {};
  for (const column of COLUMNS) {
    const cell = el(column.id === 'region' ? 'th' : 'td', {class: cellClass(column)});
    if (column.id === 'region') cell.setAttribute('scope', 'row');
    row.cells_[column.id] = cell;
    row.append(cell);
  }
  row.choose = el('button', {class: 'choose', type: 'button'}, region.region);
  row.cells_.region.append(row.choose);
  row.pill = el('span', {class: 'pill'});
  row.cells_.state.append(row.pill);
  row.liveText = el('span');
  row.liveFill = el('i');
  row.cells_.live.append(row.liveText, el('span', {class: 'share minor', 'aria-hidden': 'true'}, row.liveFill));
  row.addEventListener('click', () => select({namespace: region.namespace, region: region.region}, true));
  return row;
}
function updateRegion(row, region) {
  for (const column of COLUMNS) if (column.text) setText(row.cells_[column.id], column.text(region));
  setText(row.pill, region.state);
  setClass(row.pill, 'pill ' + (LOOK[region.state] || ''));
  const f = region.usage;
  setText(row.liveText, f ? bytes(f.live_bytes) : '–');
  row.liveFill.style.width = (f && f.allocated_bytes ? Math.min(100, 100 * f.live_bytes / f.allocated_bytes) : 0) + '%';
  // An error without figures beside it takes their room.
  const wide = Boolean(region.error && !f);
  for (const id of ['tables', 'segments', 'records', 'allocated', 'live']) row.cells_[id].hidden = wide;
  row.cells_.pin.colSpan = wide ? 6 : 1;
  const damaged = f && f.damaged_ranges ? f.damaged_ranges + ' damaged ' + (f.damaged_ranges === 1 ? 'range' : 'ranges') + ' quarantined; ' : '';
  setText(row.cells_.pin, region.error || damaged + oldestText(f && f.oldest));
  setClass(row.cells_.pin, region.error || damaged ? 'text c-pin error' : 'text c-pin');
  const chosen = Boolean(selected && same(selected, region));
  setClass(row, chosen ? 'chosen' : '');
  setAttr(row.choose, 'aria-pressed', String(chosen));
  setAttr(row.choose, 'aria-label', 'region ' + region.region + ' of ' + namespaceName(region.namespace));
}
function showRegions() {
  if (!data) return;
  for (const column of COLUMNS) {
    setAttr(column.head, 'aria-sort', column.id !== sortBy ? 'none' : descending ? 'descending' : 'ascending');
  }
  const wanted = $('filter').value.trim().toLowerCase();
  const fits = r => !wanted || r.region.includes(wanted) || r.state.includes(wanted) ||
    namespaceName(r.namespace).toLowerCase().includes(wanted);
  const shown = data.regions.filter(fits).sort(compareRegions);
  reconcile($('regions').tBodies[0], shown, r => r.namespace + '/' + r.region, makeRegion, updateRegion);
  const total = data.regions.length + data.regions_left_out;
  const bad = data.regions.filter(r => r.state === 'broken' || r.state === 'failed').length;
  setText($('region-count'), (shown.length === total ? count(total) : count(shown.length) + ' of ' + count(total)) +
    (bad ? ', ' + bad + ' broken or failed' : '') +
    (data.regions_left_out ? '; the ' + count(data.regions_left_out) + ' smallest are not listed' : ''));
  $('no-regions').hidden = shown.length > 0;
  setText($('no-regions'), total ? 'No region fits the filter.' : 'No region was written yet.');
  const errors = data.namespaces.filter(n => n.error);
  reconcile($('namespace-errors'), errors, n => n.id, () => el('p', {class: 'pill bad', style: 'white-space:normal;border-radius:6px;margin-bottom:8px'}),
    (node, n) => setText(node, 'Namespace ' + n.name + ' cannot be listed: ' + n.error));
}
$('filter').addEventListener('input', showRegions);

function readHash() {
  const match = /^#region=(\d+)&namespace=(\d+)$/.exec(location.hash);
  return match ? {region: match[1], namespace: Number(match[2])} : null;
}
function select(region, ask) {
  selected = region;
  const hash = region ? '#region=' + region.region + '&namespace=' + region.namespace : ' ';
  if (location.hash !== hash.trim()) window.history.replaceState(null, '', hash.trim() || location.pathname + location.search);
  showRegions();
  showDetail();
  if (ask) poll();
}
$('unselect').addEventListener('click', () => select(null, false));
window.addEventListener('hashchange', () => { const to = readHash(); if (to) select(to, true); });

// ---------------------------------------------------------------------------------------------
// The selected region

function fact(list, term, text) { list.push({term, text}); }
function segmentBytes(s) {
  return {live: s.live_bytes, deleted: s.used_bytes - s.live_bytes, free: s.allocated_bytes - s.used_bytes};
}
const numbers = (first, last) => last === '0' ? 'no records' : 'numbers ' + first + ' to ' + last;
function segmentText(s) {
  const b = segmentBytes(s);
  return s.file + ': ' + bytes(s.allocated_bytes) + ', live ' + exactBytes(b.live) + ', deleted ' + exactBytes(b.deleted) +
    ', free ' + exactBytes(b.free) + '; ' + numbers(s.first, s.last) + '; ' + count(s.live_tables) + ' live ' + (s.live_tables === 1 ? 'table' : 'tables');
}
function showReadout(node) {
  setText($('segment-readout'), node ? segmentText(node.segment) : 'Point at a segment, or move with the arrow keys, for its numbers.');
}
let current = null;  // the segment that the keyboard stands on
function makeSegment() {
  return el('div', {role: 'option', tabindex: '-1', 'aria-selected': 'false'});
}
function updateSegment(node, s) {
  node.segment = s;
  const b = segmentBytes(s), percent = n => s.allocated_bytes ? (100 * n / s.allocated_bytes).toFixed(2) + '%' : '0%';
  const key = b.live + '/' + b.deleted + '/' + b.free;
  if (node.key === key) return;
  node.key = key;
  node.style.setProperty('--l', percent(b.live));
  node.style.setProperty('--u', percent(s.used_bytes));
  node.setAttribute('aria-label', segmentText(s));
}
const map = $('map');
function stand(node, focus) {
  if (current && current !== node) { current.tabIndex = -1; current.setAttribute('aria-selected', 'false'); }
  current = node;
  if (!node) return;
  node.tabIndex = 0;
  if (focus) { node.focus(); node.setAttribute('aria-selected', 'true'); }
}
map.addEventListener('mouseover', e => { if (e.target.segment) showReadout(e.target); });
map.addEventListener('mouseleave', () => showReadout(document.activeElement.segment ? document.activeElement : null));
map.addEventListener('focusin', e => { if (e.target.segment) { stand(e.target, false); e.target.setAttribute('aria-selected', 'true'); showReadout(e.target); } });
map.addEventListener('keydown', e => {
  if (!current) return;
  const step = {ArrowRight: n => n.nextElementSibling, ArrowDown: n => n.nextElementSibling, ArrowLeft: n => n.previousElementSibling,
    ArrowUp: n => n.previousElementSibling, Home: () => map.firstElementChild, End: () => map.lastElementChild}[e.key];
  if (!step) return;
  e.preventDefault();
  stand(step(current) || current, true);
});
function fillRow(row, texts) { texts.forEach((text, i) => setText(row.children[i], text)); }
function makeRow(classes) { return () => el('tr', {}, ...classes.map(c => el('td', {class: c}))); }
const leftOut = (shown, left) => '(' + count(shown) + (left ? ' of ' + count(shown + left) : '') + ')';

function showDetail() {
  const region = data && data.selected && selected && same(data.selected, selected) ? data.selected : null;
  $('detail-section').hidden = !selected;
  if (!selected) return;
  setText($('h-detail'), 'Region ' + selected.region + (data ? ' of ' + namespaceName(selected.namespace) : ''));
  setText($('detail-state'), region ? region.state : 'asking');
  setClass($('detail-state'), 'pill ' + (region ? LOOK[region.state] || '' : ''));
  $('detail-error').className = region && region.error ? 'pill bad' : 'note';
  $('detail-error').style.cssText = region && region.error ? 'white-space:normal;border-radius:6px;padding:6px 10px;overflow-wrap:anywhere' : '';
  setText($('detail-error'), !region ? 'Asking …' : region.error ? region.error :
    region.state === 'closed' ? 'The region is closed; the next call to it opens it.' :
    region.state === 'unknown' ? 'No such region is open, and none was on the disk a moment ago.' : '');
  const facts = [], f = region && region.usage;
  if (f) {
    fact(facts, 'allocated', bytes(f.allocated_bytes));
    fact(facts, 'live', bytes(f.live_bytes) + (f.allocated_bytes ? ' (' + Math.round(100 * f.live_bytes / f.allocated_bytes) + ' %)' : ''));
    fact(facts, 'live records, about', f.live_records.toLocaleString('en-US'));
    if (f.oldest) fact(facts, 'oldest live record', 'number ' + f.oldest.sequence + ' of ' + oldestText(f.oldest));
    if (region.disk_holder) fact(facts, 'holds most disk alone', 'table ' + region.disk_holder.table + ', ' + bytes(region.disk_holder.bytes));
    fact(facts, 'highest region version', region.region_version);
    if (region.torn_tail_bytes) fact(facts, 'torn tail at the last opening', bytes(region.torn_tail_bytes));
    if (region.age_seconds > 5) fact(facts, 'segments and tables as of', duration(region.age_seconds) + ' ago');
  }
  reconcile($('detail-facts'), facts, x => x.term, () => el('div', {}, el('dt'), el('dd')),
    (node, x) => { setText(node.children[0], x.term); setText(node.children[1], x.text); });

  const segments = region ? region.segments : [];
  map.className = 'scroll' + (segments.length > 240 ? ' crowd' : segments.length > 48 ? ' many' : '');
  reconcile(map, segments, s => selected.namespace + '/' + selected.region + '/' + s.segment, makeSegment, updateSegment);
  if (!current || !current.isConnected) stand(map.firstElementChild, false);
  const total = {live: 0, deleted: 0, free: 0};
  for (const s of segments) { const b = segmentBytes(s); for (const key of Object.keys(total)) total[key] += b[key]; }
  for (const key of Object.keys(total)) { setText($('sum-' + key), bytes(total[key])); $('sum-' + key).dataset.bytes = total[key]; }
  setText($('segment-count'), region ? leftOut(segments.length, region.segments_left_out) : '');
  $('legend').hidden = map.hidden = !segments.length;
  if (segments.length) {
    const pointed = map.querySelector(':hover');
    showReadout(pointed || (document.activeElement.segment ? document.activeElement : null));
  } else {
    setText($('segment-readout'), region && f ? 'This engine keeps no segments of its own.' : 'Not known.');
  }

  const tables = region ? region.tables : [];
  setText($('table-count'), region ? leftOut(tables.length, region.tables_left_out) : '');
  reconcile($('tables').tBodies[0], tables, t => t.table, makeRow(['number', '', 'number', 'number', 'number', 'number']),
    (row, t) => fillRow(row, [t.table, t.kind, t.first_live === '0' ? 'none' : t.first_live, t.last_live === '0' ? 'none' : t.last_live, t.deleted_through, t.next]));
  const damaged = region ? region.damaged : [];
  $('damage-block').hidden = !damaged.length;
  setText($('damage-count'), region ? leftOut(damaged.length, region.damaged_left_out) : '');
  reconcile($('damage').tBodies[0], damaged, d => d.file + ':' + d.offset, makeRow(['', 'number', 'number', '', 'text']),
    (row, d) => fillRow(row, [d.file, String(d.offset), String(d.length), d.first + ' to ' + d.last, d.reason]));
}

// ---------------------------------------------------------------------------------------------
// Events

function showEvents() {
  const events = data.events;
  reconcile($('events').tBodies[0], events, e => [e.severity, e.event, e.namespace, e.region].join('/'), () => {
    const row = makeRow(['', '', '', '', 'text'])();
    row.children[1].append(el('span', {class: 'pill'}));
    return row;
  }, (row, e) => {
    setText(row.children[0], new Date(e.time_unix_millis).toISOString().replace('T', ' ').slice(0, 19));
    const pill = row.children[1].firstElementChild;
    setText(pill, e.severity);
    setClass(pill, 'pill ' + (e.severity === 'error' ? 'bad' : 'warn'));
    setText(row.children[2], e.event + (e.count > 1 ? ' (' + count(e.count) + ' times)' : ''));
    setText(row.children[3], e.region === null ? '' : (e.namespace === null ? '' : namespaceName(e.namespace) + ' ') + e.region);
    setText(row.children[4], e.text);
  });
  $('no-events').hidden = events.length > 0;
  setText($('event-count'), events.length ? String(events.length) : '');
}

// ---------------------------------------------------------------------------------------------
// Asking

function show(answer) {
  data = answer;
  setText($('version'), data.version);
  setText($('uptime'), duration(data.uptime_seconds));
  const left = data.start.regions_to_scan;
  setText($('ready'), data.ready ? (left ? 'ready, ' + left + ' regions to scan' : 'ready') : 'not ready' + (data.not_ready_because ? ': ' + data.not_ready_because : ''));
  setClass($('ready'), 'pill ' + (data.ready ? 'good' : 'bad'));
  showTraffic(data);
  showGauges(data);
  showRegions();
  showDetail();
  showEvents();
}
let answered = null, timer = 0, running = null;
function connection(lost, text) {
  document.body.classList.toggle('lost', lost);
  setClass($('connection'), lost ? 'lost' : '');
  setText($('connection'), text);
}
async function poll() {
  clearTimeout(timer);
  if (running) running.abort('newer');
  const mine = running = new AbortController();
  const late = setTimeout(() => mine.abort('late'), TIMEOUT);
  try {
    const query = selected ? '?region=' + selected.region + '&namespace=' + selected.namespace : '';
    const response = await fetch('status.json' + query, {cache: 'no-store', signal: mine.signal});
    if (!response.ok) throw new Error('it answered ' + response.status);
    const answer = await response.json();
    if (mine !== running) return;
    show(answer);
    answered = Date.now();
    connection(false, 'Updated every two seconds');
  } catch (error) {
    if (mine !== running) return;
    const since = answered === null ? '' : ' Last picture: ' + new Date(answered).toISOString().slice(11, 19) + ' UTC.';
    connection(true, 'The daemon does not answer' + (error instanceof Error && error.message.startsWith('it ') ? ' (' + error.message + ')' : '') + '.' + since);
    console.info('walden: ' + error);
    if (!(error instanceof TypeError) && !(mine.signal.aborted) && !String(error.message).startsWith('it ')) throw error;
  } finally {
    clearTimeout(late);
    if (mine === running) timer = setTimeout(poll, INTERVAL);
  }
}
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
selected = readHash();
poll();
