"""python -m tests.drill"""

from tests.drill.cli import main

if __name__ == "__main__":
    main()
