"""Draws a topology as SVG: rows call, columns are called, and a dot says who talks to whom.

Two dozen services with a hundred edges make a hairball of arrows; on a grid each edge has a place of its own,
and adding a service adds a row or a column. Layers from top to bottom: public and integration (rows), core
(columns), stores (rows below), machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from generator.inventory import Machine
from generator.topology import Service, Store, Topology

FONT = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif"
INK, SOFT, LINE, PAPER = "#1f2933", "#616e7c", "#cbd2d9", "#ffffff"
# Fill, edge and wire of each layer.
COLOURS = {
    "public": ("#fff4e0", "#e8a33d", "#d9860b"),
    "integration": ("#e3f0fd", "#4a90d9", "#2f74c0"),
    "core": ("#e6f6ec", "#4caf78", "#2e8b57"),
    "config": ("#f1ebfb", "#8e6bbf", "#6f4aa8"),
    "here": ("#fdeaea", "#d66a6a", "#b94a4a"),
    "outside": ("#f1f3f5", "#7b8794", "#52606d"),
    "absent": ("#fafafa", "#b8c0c8", "#9aa5b1"),
    "machine": ("#f7f8fa", "#9aa5b1", "#52606d"),
}

ROW, COLUMN, GAP, MARGIN = 34, 38, 10, 32
TEXT, SMALL = 12, 10
BOX = 26


def draw(topology: Topology, title: str) -> str:
    """The topology as one SVG document, the same bytes for the same topology."""
    return _Drawing(topology, title).svg()


def width_of(text: str, size: int = TEXT) -> float:
    """Width of a text in pixels, generous: DejaVu Sans is the widest of the fonts named."""
    narrow = sum(character in "ijlftr.,:;'|/-() " for character in text)
    return size * (0.36 * narrow + 0.66 * (len(text) - narrow))


def _wrapped(words: list[str], width: float) -> list[str]:
    """The parts joined with dots, in as many lines as it takes."""
    lines: list[str] = []
    for part in words:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and width_of(longer, SMALL) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


class _Drawing:
    def __init__(self, topology: Topology, title: str) -> None:
        self.topology = topology
        self.title = title
        self.parts: list[str] = []
        services = topology.services
        called = {callee for s in services if s.kind != "proxy" for callee in s.calls}
        self.config = next((service for service in services if service.name == topology.config), None)
        # The proxy calls services that are rows themselves: it has a column of its own beside the users.
        self.proxies = [service for service in services if service.kind == "proxy"]
        self.rows = [s for s in services if s.public and s.kind != "proxy"]
        self.columns = [
            s for s in services if (not s.public or s.name in called) and s is not self.config and s.kind != "proxy"
        ]
        self.inner = [s for s in self.columns if s.calls and not s.public]

        label = max((width_of(s.name) for s in (*self.rows, *self.inner)), default=120) + 20
        path = max((width_of(self._ways(s), SMALL) for s in self.rows), default=0)
        self.trunks = MARGIN + 120
        self.label_x = self.trunks + 40 + 22 * len(self.proxies) + path + 16
        self.label_width = label
        self.grid_x = self.label_x + label + 24
        self.grid_right = self.grid_x + COLUMN * len(self.columns)
        self.trunk_x = self.grid_right + 18
        # Stores that a row needs itself, each with a line of its own beside the config server's.
        self.row_stores = {
            name: self.trunk_x + 22 * number
            for number, name in enumerate(
                (
                    store.name
                    for store in topology.stores
                    if any(store.name in s.needs for s in self.rows if s not in self.columns)
                ),
                1,
            )
        }
        legend = 250
        self.legend_x = self.trunk_x + 22 * len(self.row_stores) + 40
        self.width = self.legend_x + legend + MARGIN
        self.y = 96.0

    def svg(self) -> str:
        row_y = self._place_rows()
        column_x = {s.name: self.grid_x + COLUMN * index + COLUMN / 2 for index, s in enumerate(self.columns)}
        chips_top = self.y + 16
        chip = max((width_of(s.name) for s in self.columns), default=0) + 24
        stores_top = chips_top + chip + 40
        store_rows: list[Service | Store] = [*([self.config] if self.config else []), *self.topology.stores]
        store_y = {row.name: stores_top + 30 + ROW * index for index, row in enumerate(store_rows)}
        bottom = stores_top + 30 + ROW * len(store_rows)

        self._bands(row_y, chips_top, chip, stores_top, bottom)
        self._wires(row_y, column_x, store_y, chips_top, chip)
        self._public(row_y)
        self._service_rows(row_y)
        self._columns(column_x, chips_top, chip)
        self._stores(store_rows, store_y)
        self._legend(96)
        height = self._machines(bottom + 16) + MARGIN
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {height:.0f}" role="img" aria-label={quoteattr(self.title)} '
            f'font-family="{FONT}" font-size="{TEXT}" fill="{INK}">\n'
            f"<title>{escape(self.title)}</title>\n"
            f'<rect width="100%" height="100%" fill="{PAPER}"/>\n'
        )
        return head + "".join(f"{part}\n" for part in self.parts) + "</svg>\n"

    # --- layout

    def _place_rows(self) -> dict[str, float]:
        places: dict[str, float] = {}
        self.y += 28
        for service in self.rows:
            places[service.name] = self.y + ROW / 2
            self.y += ROW
        if self.inner:
            self.y += 34
            for service in self.inner:
                places[f"inner {service.name}"] = self.y + ROW / 2
                self.y += ROW
        return places

    @staticmethod
    def _ways(service: Service) -> str:
        return " · ".join(service.public)

    # --- layers

    def _bands(self, row_y: dict[str, float], chips_top: float, chip: float, stores_top: float, bottom: float) -> None:
        self._text(MARGIN, 46, self.title, size=20, weight="600")
        counts = f"{len(self.topology.services)} services, {len(self.topology.stores)} stores"
        self._text(MARGIN, 68, f"{counts}. A dot: the row's service calls the column's.", colour=SOFT)
        if self.rows:
            self._text(self.label_x, 112, "Public and integration services", colour=SOFT, weight="600")
        if self.inner:
            top = row_y[f"inner {self.inner[0].name}"] - ROW / 2
            self._text(self.label_x, top - 8, "Core services that call others", colour=SOFT, weight="600")
        self._text(self.label_x, chips_top + 14, "Core services", colour=SOFT, weight="600")
        self._text(self.label_x, stores_top + 4, "Configuration and stores", colour=SOFT, weight="600")

    def _wires(
        self,
        row_y: dict[str, float],
        column_x: dict[str, float],
        store_y: dict[str, float],
        chips_top: float,
        chip: float,
    ) -> None:
        start = self.label_x + self.label_width
        dots: list[str] = []
        for service in (*self.rows, *self.inner):
            inner = service in self.inner
            y = row_y[f"inner {service.name}" if inner else service.name]
            layer = "core" if inner else "integration"
            targets = [column_x[name] for name in service.calls if name in column_x]
            configured = self.config and service.configured and not inner
            by_row = service in self.rows and service not in self.columns
            own = [x for name, x in self.row_stores.items() if by_row and name in service.needs]
            end = max(*targets, *own, self.trunk_x if configured else start, start)
            self._line(start, y, end, y, COLOURS[layer][1], opacity=0.55)
            for name in service.calls:
                if name in column_x:
                    dots.append(self._dot(column_x[name], y, COLOURS[layer][2], f"{service.name} → {name}"))
            if configured and self.config:
                about = f"{service.name} → {self.config.name}"
                dots.append(self._dot(self.trunk_x, y, COLOURS["config"][2], about))
        for service in self.columns:
            x = column_x[service.name]
            callers = [y for y, caller in self._callers(service.name, row_y)]
            if callers:
                self._line(x, min(callers), x, chips_top, COLOURS["core"][1], opacity=0.55)
            below = [store_y[name] for name in service.needs if name in store_y]
            if self.config and service.configured:
                below.append(store_y[self.config.name])
            if below:
                self._line(x, chips_top + chip, x, max(below), COLOURS["core"][1], opacity=0.55)
        states = {store.name: store.state for store in self.topology.stores}
        for name, y in store_y.items():
            layer = states.get(name, "config")
            users = [s for s in self.columns if name in s.needs or (layer == "config" and s.configured)]
            rows = [s for s in self.rows if s.configured] if layer == "config" else []
            ends = [column_x[s.name] for s in users] + ([self.trunk_x] if rows else [])
            if ends:
                dash = "4 4" if layer == "absent" else None
                self._line(start, y, max(ends), y, COLOURS[layer][1], opacity=0.7, dash=dash)
            for service in users:
                about = f"{service.name} → {name}"
                dots.append(self._dot(column_x[service.name], y, COLOURS[layer][2], about))
            if rows:
                top = min(row_y[s.name] for s in rows)
                self._line(self.trunk_x, top, self.trunk_x, y, COLOURS["config"][1], opacity=0.7)
                dots.append(self._dot(self.trunk_x, y, COLOURS["config"][2], f"all of them → {name}"))
            direct = [s for s in self.rows if name in s.needs and s not in self.columns]
            if direct:
                x = self.row_stores[name]
                self._line(start, y, x, y, COLOURS[layer][1], opacity=0.7)
                self._line(x, row_y[direct[0].name], x, y, COLOURS[layer][1], opacity=0.7)
                dots.append(self._dot(x, y, COLOURS[layer][2], f"{len(direct)} services → {name}"))
            for service in direct:
                about = f"{service.name} → {name}"
                dots.append(self._dot(x, row_y[service.name], COLOURS[layer][2], about))
        self.parts += dots

    def _callers(self, name: str, row_y: dict[str, float]) -> Iterable[tuple[float, str]]:
        for service in self.rows:
            if name in service.calls:
                yield row_y[service.name], service.name
        for service in self.inner:
            if name in service.calls:
                yield row_y[f"inner {service.name}"], service.name

    def _public(self, row_y: dict[str, float]) -> None:
        if not self.rows:
            return
        ys = [row_y[service.name] for service in self.rows]
        fill, edge, wire = COLOURS["public"]
        top, height = min(ys) - BOX / 2, 64
        self._box(MARGIN, top, 96, height, fill, edge)
        self._text(MARGIN + 48, top + 28, "Users", anchor="middle", weight="600")
        self._text(MARGIN + 48, top + 46, "REST, gRPC", anchor="middle", size=SMALL, colour=SOFT)
        trunk = self.trunks
        self._line(MARGIN + 96, ys[0], trunk, ys[0], wire)
        self._line(trunk, min(ys), trunk, max(ys), wire)
        for service, y in zip(self.rows, ys, strict=True):
            self._line(trunk, y, self.label_x, y, wire, opacity=0.8)
            self.parts.append(self._dot(trunk, y, wire, f"users → {service.name}"))
        for index, proxy in enumerate(self.proxies):
            self._proxy(proxy, index, row_y, top + height + 24 + index * 76)

    def _proxy(self, proxy: Service, index: int, row_y: dict[str, float], top: float) -> None:
        """The proxy is public itself and calls rows: a box under the users, a trunk of its own."""
        fill, edge, wire = COLOURS["public"]
        height = 60
        self._line(MARGIN + 48, top - 24, MARGIN + 48, top, wire)
        self._box(MARGIN, top, 96, height, fill, edge)
        words = proxy.name.split("-")
        lines = ["-".join(words[:2]) + "-", "-".join(words[2:])] if len(words) > 2 else [proxy.name]
        for number, line in enumerate(lines):
            self._text(MARGIN + 48, top + 20 + 14 * number, line, anchor="middle", size=SMALL, weight="600")
        self._text(MARGIN + 48, top + 50, " · ".join(proxy.ports), anchor="middle", size=9, colour=SOFT)
        ys = [row_y[name] for name in proxy.calls if name in row_y]
        if ys:
            x = self.trunks + 24 + 22 * index
            middle = top + height / 2
            self._line(MARGIN + 96, middle, x, middle, wire, dash="5 3")
            self._line(x, min(*ys, middle), x, max(*ys, middle), wire, dash="5 3")
            for name in proxy.calls:
                if name in row_y:
                    self.parts.append(self._ring(x, row_y[name], wire, f"{proxy.name} → {name}"))

    def _service_rows(self, row_y: dict[str, float]) -> None:
        for service in self.rows:
            y = row_y[service.name]
            fill, edge, _ = COLOURS["integration"]
            self._box(self.label_x, y - BOX / 2, self.label_width, BOX, fill, edge, self._about(service))
            self._text(self.label_x + 10, y + 4, service.name)
            ways = self._ways(service)
            left = self.label_x - 8 - width_of(ways, SMALL)
            self.parts.append(
                f'<rect x="{left - 3:.1f}" y="{y - 8:.1f}" width="{width_of(ways, SMALL) + 6:.1f}" '
                f'height="16" fill="{PAPER}"/>'
            )
            self._text(self.label_x - 8, y + 4, ways, anchor="end", size=SMALL, colour=SOFT)
        for service in self.inner:
            y = row_y[f"inner {service.name}"]
            fill, edge, _ = COLOURS["core"]
            self._box(self.label_x, y - BOX / 2, self.label_width, BOX, fill, edge, self._about(service))
            self._text(self.label_x + 10, y + 4, service.name)

    def _columns(self, column_x: dict[str, float], top: float, height: float) -> None:
        fill, edge, _ = COLOURS["core"]
        for service in self.columns:
            x = column_x[service.name]
            self._box(x - BOX / 2, top, BOX, height, fill, edge, self._about(service))
            self.parts.append(
                f'<text transform="translate({x + 4:.1f} {top + height - 12:.1f}) rotate(-90)">'
                f"{escape(service.name)}</text>"
            )

    def _stores(self, rows: list[Service | Store], store_y: dict[str, float]) -> None:
        for row in rows:
            y = store_y[row.name]
            layer = row.state if isinstance(row, Store) else "config"
            name = row.title if isinstance(row, Store) else row.name
            fill, edge, _ = COLOURS[layer]
            dash = "4 3" if layer == "absent" else None
            about = f"{name}: {row.detail}" if isinstance(row, Store) else self._about(row)
            self._box(self.label_x, y - BOX / 2, self.label_width, BOX, fill, edge, about, dash)
            self._text(self.label_x + 10, y + 4, name, colour=SOFT if layer == "absent" else INK)
            if isinstance(row, Store):
                self._text(self.label_x - 8, y + 4, row.detail, anchor="end", size=SMALL, colour=SOFT)

    def _legend(self, top: float) -> None:
        x = self.legend_x
        entries = [
            ("public", "reachable by users"),
            ("integration", "public and integration service"),
            ("core", "core service, inside only"),
            ("config", "config server"),
            ("here", "store of this release"),
            ("outside", "store elsewhere"),
            ("absent", "store not there"),
        ]
        self._text(x, top + 16, "Legend", weight="600", colour=SOFT)
        for index, (layer, words) in enumerate(entries):
            y = top + 36 + 24 * index
            fill, edge, _ = COLOURS[layer]
            self._box(x, y - 9, 22, 16, fill, edge, dash="4 3" if layer == "absent" else None)
            self._text(x + 32, y + 3, words, size=11)

    def _machines(self, top: float) -> float:
        """The machines as cards in rows; returns the y below them."""
        if not self.topology.machines:
            return top
        self._text(MARGIN, top + 16, "Machines", colour=SOFT, weight="600")
        lines = _wrapped(self.topology.placement, self.width - 2 * MARGIN - 90)
        for index, line in enumerate(lines):
            self._text(MARGIN + 90, top + 16 + 16 * index, line, colour=SOFT, size=SMALL)
        top += 16 + 16 * max(1, len(lines))
        card = max(_card_width(machine) for machine in self.topology.machines)
        each = max(1, int((self.width - 2 * MARGIN + GAP) // (card + GAP)))
        fill, edge, _ = COLOURS["machine"]
        for index, machine in enumerate(self.topology.machines):
            x = MARGIN + (index % each) * (card + GAP)
            y = top + (index // each) * 74
            self._box(x, y, card, 64, fill, edge)
            accent = COLOURS["core" if machine.runs_pods else "config"][1]
            self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="5" height="64" rx="2.5" fill="{accent}"/>')
            self._text(x + 16, y + 20, machine.name, weight="600")
            self._text(x + 16, y + 37, machine.address, size=11, colour=SOFT)
            self._text(x + 16, y + 54, ", ".join(machine.roles), size=11, colour=SOFT)
        return top + -(-len(self.topology.machines) // each) * 74

    # --- strokes

    @staticmethod
    def _about(service: Service) -> str:
        pods = f"{service.replicas} pod{'s' if service.replicas > 1 else ''}"
        return f"{service.name}: {pods}, {', '.join(service.ports)}"

    def _text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = TEXT,
        colour: str = INK,
        anchor: str = "start",
        weight: str = "400",
    ) -> None:
        extras = "".join(
            f' {name}="{value}"'
            for name, value, usual in (
                ("font-size", size, TEXT),
                ("fill", colour, INK),
                ("text-anchor", anchor, "start"),
                ("font-weight", weight, "400"),
            )
            if value != usual
        )
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{extras}>{escape(words)}</text>')

    def _box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        edge: str,
        about: str | None = None,
        dash: str | None = None,
    ) -> None:
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        shape = (
            f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" '
            f'fill="{fill}" stroke="{edge}"{dashes}'
        )
        self.parts.append(f"<rect {shape}><title>{escape(about)}</title></rect>" if about else f"<rect {shape}/>")

    def _line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: str,
        *,
        opacity: float = 1,
        dash: str | None = None,
    ) -> None:
        extras = (f' stroke-opacity="{opacity}"' if opacity < 1 else "") + (
            f' stroke-dasharray="{dash}"' if dash else ""
        )
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="1.5"{extras}/>'
        )

    @staticmethod
    def _dot(x: float, y: float, colour: str, about: str) -> str:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"><title>{escape(about)}</title></circle>'

    @staticmethod
    def _ring(x: float, y: float, colour: str, about: str) -> str:
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{PAPER}" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(about)}</title></circle>"
        )


def _card_width(machine: Machine) -> float:
    roles = width_of(", ".join(machine.roles), 11)
    return max(width_of(machine.name), width_of(machine.address, 11), roles, 120) + 36
