"""A small graph that has everything a brief needs: two chains, foreign owners, a dated act, a project, a gap."""

from __future__ import annotations

import pandas as pd

import supplyrisk as sr


def row(**cells):
    return cells


def toy_graph() -> sr.SupplyGraph:
    def p(product, name, chain, stage):
        return row(
            product=product, name=name, commodity=chain, chain=chain, stage=stage, unit="t", basis="contained",
            period="year", price=1000.0, price_source="mcs", price_grade="A", price_year=2024,
        )  # fmt: skip

    products = pd.DataFrame([
        p("ree.mine", "Rare-earth ore", "rare_earths", "mine"),
        p("ree.oxide", "Rare-earth oxide <sep>", "rare_earths", "refine"),
        p("ndfeb.magnet", "NdFeB magnet", "rare_earths", "component"),
        p("gallium.refined", "Refined gallium", "gallium", "refine"),
    ])  # fmt: skip
    out = {
        "ree.mine": {"CHN": 270, "USA": 45, "AUS": 20, "MMR": 25, "ROW": 10},
        "ree.oxide": {"CHN": 180, "MYS": 20, "USA": 3, "EST": 1},
        "ndfeb.magnet": {"CHN": 150, "JPN": 12, "DEU": 1, "VNM": None},
        "gallium.refined": {"CHN": 750, "JPN": 3, "KOR": 2, "RUS": 5},
    }
    nodes, links, demand = [], [], []
    for prod, made in out.items():
        for c, v in made.items():
            cells = row(node=f"{prod}@{c}", product=prod, country=c, kind="producer", year=2024)
            if v is not None:
                cells |= row(
                    output=v, output_source="mcs", output_year=2024, output_grade="C" if c in ("MMR", "EST") else "A"
                )
            else:
                cells |= row(output_missing="withheld")
            nodes.append(cells)
        for c in ("USA", "JPN", "DEU", "CHN", "MYS"):
            nodes.append(row(node=f"{prod}@{c}:demand", product=prod, country=c, kind="demand", year=2024))

    def link(a, b, product, q, method="observed"):
        links.append(
            row(supplier=a, buyer=b, product=product, year=2024, method=method, quantity=q, source="baci", grade="A")
        )

    for prod, made in out.items():
        for b, part in (("USA", 0.2), ("JPN", 0.3), ("DEU", 0.1), ("CHN", 0.35)):
            for c, v in made.items():
                if v and c != "ROW":
                    link(f"{prod}@{c}", f"{prod}@{b}:demand", prod, v * part)
            demand.append(
                row(node=f"{prod}@{b}:demand", use="total", year=2024, quantity=sum(v or 0 for v in made.values()) * part,
                     source="mcs", grade="B")
            )  # fmt: skip
    link("ree.mine@AUS", "ree.mine@MYS:demand", "ree.mine", 15)
    for c in ("CHN", "USA"):
        link(f"ree.mine@{c}:demand", f"ree.oxide@{c}", "ree.mine", out["ree.oxide"][c], "balanced")
    link("ree.mine@MYS:demand", "ree.oxide@MYS", "ree.mine", 15, "balanced")
    for c in ("CHN", "JPN", "DEU"):
        link(f"ree.oxide@{c}:demand", f"ndfeb.magnet@{c}", "ree.oxide", 5, "balanced")
    recipes = pd.DataFrame([
        row(product="ree.oxide", input="ree.mine", process="sep", input_class="essential", coefficient=1.1, source="mcs", grade="B"),
        row(product="ndfeb.magnet", input="ree.oxide", process="sinter", input_class="essential", coefficient=0.3,
             grade="assumption"),
    ])  # fmt: skip
    holdings = pd.DataFrame([
        row(asset="ree.mine@USA", part="", portion=1.0, holder="Shenghe", holder_country="CHN", type="equity",
             valid_from="2017", share=0.08, source="mcs", grade="A"),
        row(asset="ree.oxide@MYS", part="", portion=1.0, holder="Lynas", holder_country="AUS", type="majority",
             valid_from="2012", share=1.0, source="mcs", grade="A"),
    ])  # fmt: skip
    measures = pd.DataFrame([
        row(measure="CHN-2024-GA-US-BAN", name="Ban on gallium to the United States", actor="CHN", target="USA",
             product="gallium.refined", kind="ban", announced="2024-12-03", effective="2024-12-03", suspended="2025-11-09",
             suspended_until="2026-11-27", status="suspended to 27 Nov 2026", severity=1.0, source="mofcom", grade="A"),
        row(measure="CHN-2023-GA", name="Licence for gallium", actor="CHN", target="ALL", product="gallium.refined",
             kind="licence", announced="2023-07-03", effective="2023-08-01", severity=0.3, source="mofcom", grade="A"),
    ])  # fmt: skip
    projects = pd.DataFrame([
        row(project="fort-worth", name="Fort Worth <magnets>", product="ndfeb.magnet", country="USA", company="MP Materials",
             holder_country="USA", status="construction", start=2026, capacity=10.0, capex=2.0e8, capacity_grade="A",
             capacity_source="mcs", capex_grade="A", capex_source="mcs"),
        row(project="ga-can", name="Trail gallium", product="gallium.refined", country="CAN", company="Teck",
             holder_country="CAN", status="study", start=2028, capacity=100.0, capex=1.0e8, capacity_grade="B",
             capacity_source="mcs", capex_grade="B", capex_source="mcs"),
    ])  # fmt: skip
    memberships = pd.DataFrame([
        row(coalition="MSP", coalition_name="Minerals Security Partnership", country=c, role="member", valid_from="2022-06-14",
             valid_to="2026-02-04", source="state", grade="A")
        for c in ("USA", "JPN", "DEU")
    ])  # fmt: skip
    gaps = pd.DataFrame([row(product="ndfeb.magnet", what="output", where="VNM", reason="withheld", note="no figure")])
    sources = pd.DataFrame([
        row(source="mcs", title="Mineral Commodity Summaries 2026", year=2026, licence="public domain", licence_class="public_domain",
             url="https://example.org/mcs"),
        row(source="baci", title="CEPII BACI 2026", year=2026, licence="Etalab 2.0", licence_class="attribution"),
        row(source="mofcom", title="MOFCOM notices <script>alert(1)</script>", year=2026, licence="facts", licence_class="facts"),
        row(source="state", title="Partnership pages", year=2026, licence="facts", licence_class="facts"),
    ])  # fmt: skip
    return sr.SupplyGraph.from_tables(
        products=products, nodes=pd.DataFrame(nodes), links=pd.DataFrame(links), demand=pd.DataFrame(demand), recipes=recipes,
        holdings=holdings, measures=measures, projects=projects, memberships=memberships, gaps=gaps, sources=sources,
        name="toy", as_of="2026-11-22",
    )  # fmt: skip
