"""Ports that are known by number: those that browsers refuse, that are assigned to others, that a framework uses."""

from __future__ import annotations

from collections.abc import Sequence

BROWSER_UNSAFE = frozenset({
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
})  # fmt: skip
"""The bad ports of the Fetch standard: no browser opens a page there."""

AIRPLAY = frozenset({5000, 7000})
"""What macOS listens on for AirPlay."""

_ASSIGNED = (
    (1080, 1080), (1433, 1434), (1521, 1521), (1883, 1883), (2049, 2049), (2375, 2380), (3306, 3306), (3389, 3389),
    (3689, 3690), (4369, 4369), (5060, 5061), (5222, 5222), (5432, 5432), (5671, 5672), (5900, 5903), (6379, 6379),
    (6443, 6443), (7687, 7687), (8883, 8883), (9042, 9042), (9092, 9092), (9200, 9200), (9300, 9300), (9418, 9418),
    (10050, 10051), (11211, 11211), (19999, 20003), (20048, 20049), (21000, 21000), (22000, 22005), (22125, 22128),
    (22222, 22222), (22273, 22273), (22350, 22351), (23000, 23005), (23456, 23457), (24000, 24006), (24465, 24465),
    (24554, 24554), (24800, 24800), (25000, 25009), (25565, 25575), (25900, 25903), (26000, 26000), (26257, 26263),
    (27000, 27019), (27374, 27374), (28000, 28001), (28015, 28017), (28080, 28080), (29000, 29000), (29167, 29169),
    (30000, 30004), (30865, 30865), (30999, 30999), (31337, 31337), (31416, 31416), (32400, 32400), (32764, 32769),
)  # fmt: skip
ASSIGNED = frozenset(port for first, last in _ASSIGNED for port in range(first, last + 1))
"""Registered with IANA, and used, by programs that a machine may well run one day."""

USUAL = {
    "angular": 4200, "astro": 4321, "django": 8000, "flask": 5000, "gatsby": 8000, "gunicorn": 8000,
    "http.server": 8000, "hugo": 1313, "jekyll": 4000, "jupyter": 8888, "jupyter-lab": 8888, "mongod": 27017,
    "mysqld": 3306, "next": 3000, "ng": 4200, "nuxt": 3000, "parcel": 1234, "postgres": 5432, "rails": 3000,
    "react-scripts": 3000, "redis-server": 6379, "remix": 3000, "storybook": 6006, "streamlit": 8501, "uvicorn": 8000,
    "vite": 5173, "webpack-dev-server": 8080, "wrangler": 8787,
}  # fmt: skip
"""The port that each of these listens on where nobody says otherwise."""


def usual_port(command: Sequence[str]) -> tuple[int, str] | None:
    """The usual port of the first known program of a command line, with its name."""
    for word in command:
        name = word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe").removesuffix(".js").lower()
        if name == "manage.py":
            return USUAL["django"], "django"
        if name in USUAL:
            return USUAL[name], name
    return None
