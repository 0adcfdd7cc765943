"""``file.kind``: what hooks may know of the disk."""

from tests.unit.test_lua import hook, run


def test_kinds_of_files(tmp_path):
    (tmp_path / "page").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "page")
    (tmp_path / "folder").mkdir()
    hooks = hook(f"""
      local root = "{tmp_path}"
      assert(file.kind(root .. "/page") == "file" and file.kind(root .. "/link") == "file")
      assert(file.kind(root .. "/folder") == "directory" and file.kind("/dev/null") == "other")
      assert(file.kind(root .. "/none") == nil and file.kind(root .. "/page/none") == nil)
      assert(file.kind(root .. "/page\\0") == nil)
      assert(file.kind(root .. "/page/") == nil and file.kind(root .. "/folder/") == "directory")
      return respond(200, "all")
    """)
    assert run(tmp_path, hooks, "local r = simulate{} assert(r.body == 'all', r.log[1])") is None


def test_the_path_is_absolute(tmp_path):
    hooks = hook('return respond(200, tostring(file.kind("page")))')
    test = "local r = simulate{} assert(r.status == 500 and r.log[1]:find('expected an absolute path, got \"page\"'))"
    assert run(tmp_path, hooks, test) is None
