"""``python -m sales_exporter``."""

from sales_exporter.cli import main

if __name__ == "__main__":
    main()
