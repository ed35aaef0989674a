"""`forge-launch`: starts Forge's processes, watches over them, and ends them; knows no role."""
