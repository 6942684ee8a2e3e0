"""The scorer by itself, with numpy only: what a prompt demands, how boxes lie to each other, the verdict."""
