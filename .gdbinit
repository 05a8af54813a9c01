# `make debug` in one terminal, `make gdb` in another.  `help cowbell` lists our commands.

set confirm off
set pagination off
set print pretty on
set disassembly-flavor intel

file build/cowbell.elf
source tools/gdb/cowbell.py

target remote :1234

# The first stop after the loader; `continue` goes there.
hbreak boot_main
