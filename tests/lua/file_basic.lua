-- file and digest: small files, trees, locks, mounts.
local tap <const> = require "tap"

local function fds()
  return #file.list("/proc/self/fd")
end
local function code(_, _, c) return c end
local before <const> = fds()
local dir <const> = file.temp_dir("nerv-p-")
tap.like(dir, "/nerv%-p%-......$", "temp_dir")
tap.eq(file.stat(dir).mode, 448, "for its owner only")

-- read, write
local path <const> = dir .. "/file"
tap.ok(file.write(path, "a\0b"), "write")
tap.eq(file.read(path), "a\0b", "read")
tap.ok(file.write(path, "c", { append = true }), "append")
tap.eq(file.read(path), "a\0bc", "it was appended")
tap.ok(file.write(path, "new", { atomic = true, mode = 384 }), "write atomically")
tap.eq({ file.read(path), file.stat(path).mode }, { "new", 384 }, "content and mode")
tap.ok(file.write(path, "newer", { atomic = true }), "again")
tap.eq({ file.read(path), file.stat(path).mode }, { "newer", 384 }, "the mode stays")
tap.eq(file.list(dir), { "file" }, "no temporary file stays")
tap.eq(code(file.read(dir)), "EISDIR", "a directory cannot be read")
tap.eq(code(file.read("/dev/zero")), "EINVAL", "nor a device")
tap.eq(code(file.read(dir .. "/none")), "ENOENT", "nor what is not there")
tap.eq(code(file.write(dir .. "/none/file", "x", { atomic = true })), "ENOENT", "nor written")
tap.ok(#file.read("/proc/self/status") > 100, "files of /proc have no size")
process.run { argv = { "mkfifo", dir .. "/fifo" } }
tap.eq(code(file.read(dir .. "/fifo")), "EINVAL", "a FIFO does not block")
tap.raises(function() file.read("a\0b") end, "NUL", "NUL in a path")
tap.raises(function() file.write(path, "x", { atomc = true }) end, "did you mean 'atomic'", "options are checked")
tap.raises(function() file.write(path, "x", { mode = 10000 }) end, "mode", "modes are checked")

-- directories
tap.ok(file.mkdir(dir .. "/d"), "mkdir")
tap.eq(code(file.mkdir(dir .. "/d")), "EEXIST", "twice")
tap.eq(code(file.mkdir(dir .. "/x/y")), "ENOENT", "without a parent")
tap.ok(file.mkdir(dir .. "/x/y/z/", { parents = true, mode = 457 }), "with parents")
tap.ok(file.mkdir(dir .. "/x/y/z", { parents = true }), "which may exist")
tap.eq(file.stat(dir .. "/x/y/z").mode, 457, "exactly the mode")
tap.eq(code(file.mkdir(path, { parents = true })), "EEXIST", "a file is in the way")
tap.eq(file.list(dir), { "d", "fifo", "file", "x" }, "list is sorted")
tap.eq(code(file.list(dir .. "/none")), "ENOENT", "list of nothing")

-- links, names, owners
tap.ok(file.symlink("file", dir .. "/link"), "symlink")
tap.eq({ file.stat(dir .. "/link").type, file.stat(dir .. "/link", { link = true }).type }, { "file", "link" },
  "stat follows unless told")
tap.eq(file.realpath(dir .. "/x/../link"), file.realpath(path), "realpath")
tap.ok(file.rename(path, dir .. "/moved") and not file.stat(path), "rename")
tap.ok(file.rename(dir .. "/moved", path), "and back")
tap.ok(file.chmod(path, 420) and file.stat(path).mode == 420, "chmod")
if process.uid() == 0 then
  tap.ok(file.chown(path, { user = "nobody" }), "chown")
  tap.eq({ file.stat(path).uid, file.stat(path).gid }, { 65534, 65534 }, "the user's group comes along")
end
local st = file.stat(path)
tap.ok(st.type == "file" and st.size == 5 and math.abs(st.mtime - os.time()) < 100 and st.ino > 0 and st.dev > 0,
  "stat")
tap.eq(file.stat("/dev/null").type, "character device", "a device")
tap.eq(code(file.stat(dir .. "/none")), "ENOENT", "stat of nothing")

-- locks
do
  local lock = assert(file.lock(dir .. "/lock"))
  tap.eq(file.read(dir .. "/lock"), process.self() .. "\n", "the holder's pid is in the file")
  local l, m, c, pid = file.lock(dir .. "/lock")
  tap.eq({ l, c, pid }, { nil, "EWOULDBLOCK", process.self() }, "locked")
  tap.like(m, "process " .. process.self(), "and by whom")
  local r = process.run { argv = { process.exe(), "-e", ("print(select(3, file.lock(%q)))"):format(dir .. "/lock") } }
  tap.like(r.stdout, "^EWOULDBLOCK", "for other processes, too")
  local p = process.spawn { argv = { "sleep", "60" } }
  lock:close() lock:close()
  local again = assert(file.lock(dir .. "/lock"))
  tap.ok(again, "free after close, whatever children there are")
  again:close()
  p:kill("KILL") p:wait()
  do local _ <close> = assert(file.lock(dir .. "/lock")) end
  lock = file.lock(dir .. "/lock")
  tap.ok(lock, "<close> gives it up")
  lock:close()
end

-- remove
tap.eq(code(file.remove(dir .. "/x")), "ENOTEMPTY", "remove of a full directory")
tap.ok(file.remove(dir .. "/d"), "of an empty one")
tap.eq(code(file.remove(dir .. "/d")), "ENOENT", "twice")
file.mkdir(dir .. "/outside")
file.write(dir .. "/outside/keep", "x")
file.symlink("../../outside", dir .. "/x/y/out")
file.symlink("nowhere", dir .. "/x/y/broken")
for i = 1, 100 do file.write(dir .. "/x/y/z/" .. i, "x") end
tap.ok(file.remove_tree(dir .. "/x/"), "remove_tree")
tap.eq(file.stat(dir .. "/x"), nil, "it is gone")
tap.eq(file.list(dir .. "/outside"), { "keep" }, "what links point to stays")
tap.eq(code(file.remove_tree(dir .. "/x")), "ENOENT", "remove_tree of nothing")
tap.eq(code(file.remove_tree(dir .. "/.")), "EINVAL", "nor of '.'")
tap.eq(code(file.remove_tree("/")), "EINVAL", "nor of all")
file.symlink("outside", dir .. "/l")
tap.ok(file.remove_tree(dir .. "/l") and file.stat(dir .. "/outside/keep"), "a link itself")
local deep = dir .. ("/e"):rep(80)
file.mkdir(deep, { parents = true })
tap.eq(code(file.remove_tree(dir .. "/e")), "ELOOP", "a very deep tree is refused")
file.remove_tree(dir .. ("/e"):rep(40))
tap.ok(file.remove_tree(dir .. "/e"), "half of it is not")

-- mounts
if process.uid() ~= 0 then
  tap.skip("mounts", "not root")
else
  local m = dir .. "/tree/m"
  file.mkdir(m, { parents = true })
  if file.mount { source = "tmpfs", target = m, type = "tmpfs", flags = { "nosuid", "nodev" }, data = "size=1m" } then
    file.write(m .. "/keep", "x")
    local _, message, why = file.remove_tree(dir .. "/tree")
    tap.eq(why, "EXDEV", "remove_tree stops at a mount")
    tap.like(message, "/tree/m:", "and says where")
    tap.eq(file.read(m .. "/keep"), "x", "what is mounted stays")
    tap.ok(file.umount(m), "umount")
    file.write(dir .. "/outside/keep", "x")
    tap.ok(file.mount { source = dir .. "/outside", target = m, flags = { "bind" } },
      "a bind mount of the same file system")
    tap.eq(code(file.remove_tree(dir .. "/tree")), "EXDEV", "stops it, too")
    tap.eq(file.read(dir .. "/outside/keep"), "x", "and stays whole")
    tap.ok(file.umount(m, { lazy = true }), "lazy umount")
  else
    tap.skip("mounts", "no tmpfs here")
  end
  tap.raises(function() file.mount { target = m, flags = { "nosud" } } end, "did you mean 'nosuid'",
    "flags are checked")
  tap.eq(code(file.umount(m)), "EINVAL", "umount of what is not mounted")
end

-- digest
tap.eq(digest.sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "SHA-256 of nothing")
tap.eq(digest.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  "SHA-256 of abc (FIPS 180-2)")
tap.eq(digest.sha256("a\0b"), process.run { argv = { "sha256sum" }, input = "a\0b" }.stdout:match("%x+"),
  "as sha256sum, with NUL")
tap.like(digest.random(16), "^" .. ("%x"):rep(32) .. "$", "16 random bytes")
tap.ok(digest.random(8) ~= digest.random(8), "which differ")
tap.raises(function() digest.random(0) end, "1 to 256", "not none")

file.remove_tree(dir)
collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
