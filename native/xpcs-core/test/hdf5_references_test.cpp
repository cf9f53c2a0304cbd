// What an HDF5 file refers to, of each kind that HDF5 has, and where that is.
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "formats/hdf5_references.hpp"
#include "h5/h5.hpp"
#include "xpcs/error.hpp"

using namespace xpcs;
namespace fs = std::filesystem;

namespace {

struct Folders {
  fs::path root = fs::canonical(fs::temp_directory_path()) / ("xpcs-references-" + std::to_string(::getpid()));
  Folders() {
    fs::create_directories(root / "data/deep");
    fs::create_directories(root / "secret");
  }
  ~Folders() { fs::remove_all(root); }
  [[nodiscard]] std::string at(const std::string& name) const { return (root / name).string(); }
  void touch(const std::string& name) const { std::ofstream(at(name)) << "x"; }
};

/// A file with one dataset in a group, of four bytes, made as `change` says.
template <class Change>
void write_dataset(const std::string& path, Change change) {
  h5::initialize();
  const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const hsize_t size = 4;
  const h5::Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose);
  change(file.id(), creation.id(), space.id());
  const h5::Handle data(H5Dcreate2(file.id(), "/deep/down/data", H5T_NATIVE_UINT8, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  REQUIRE(data.ok());
}

void write_link(const std::string& path, const std::string& target) {
  write_dataset(path, [&](hid_t file, hid_t, hid_t) { REQUIRE(H5Lcreate_external(target.c_str(), "/x", file, "link", H5P_DEFAULT, H5P_DEFAULT) >= 0); });
}

void write_raw_storage(const std::string& path, const std::string& storage) {
  write_dataset(path, [&](hid_t, hid_t creation, hid_t) { REQUIRE(H5Pset_external(creation, storage.c_str(), 0, 4) >= 0); });
}

void write_virtual(const std::string& path, const std::string& source) {
  write_dataset(path, [&](hid_t, hid_t creation, hid_t space) { REQUIRE(H5Pset_virtual(creation, space, source.c_str(), "/x", space) >= 0); });
}

/// Blocks of four bytes, one file each, without an end: HDF5 has patterns for these alone.
void write_blocks(const std::string& path, const std::string& pattern) {
  const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const hsize_t size = 4;
  const hsize_t unlimited = H5S_UNLIMITED;
  const hsize_t start = 0;
  const h5::Handle space(H5Screate_simple(1, &size, &unlimited), H5Sclose);
  const h5::Handle source(H5Screate_simple(1, &size, nullptr), H5Sclose);
  REQUIRE(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, &start, &size, &unlimited, &size) >= 0);
  REQUIRE(H5Pset_virtual(creation.id(), space.id(), pattern.c_str(), "/x", source.id()) >= 0);
  const h5::Handle data(H5Dcreate2(file.id(), "data", H5T_NATIVE_UINT8, space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Dclose);
  REQUIRE(data.ok());
}

using Write = void (*)(const std::string&, const std::string&);
constexpr std::array<Write, 3> kKinds = {write_link, write_raw_storage, write_virtual};

std::vector<std::string> references(const Folders& folders, Write write, const std::string& name) {
  write(folders.at("data/a.h5"), name);
  return hdf5_references(folders.at("data/a.h5"));
}

}  // namespace

TEST_CASE("an HDF5 file refers to links, raw storage and virtual sources, wherever they are in it") {
  const Folders folders;
  folders.touch("data/b.h5");
  folders.touch("secret/b.h5");
  folders.touch("secret/only.h5");
  for (const Write write : kKinds) {
    CHECK(references(folders, write, "b.h5") == std::vector{folders.at("data/b.h5")});
    CHECK(references(folders, write, "deep/../b.h5") == std::vector{folders.at("data/b.h5")});
    CHECK(references(folders, write, "../secret/only.h5") == std::vector{folders.at("secret/only.h5")});
    // What is not there is where it would be.
    CHECK(references(folders, write, "none.h5") == std::vector{folders.at("data/none.h5")});
    CHECK(references(folders, write, "../secret/none.h5") == std::vector{folders.at("secret/none.h5")});
    CHECK(references(folders, write, folders.at("secret/none.h5")) == std::vector{folders.at("secret/none.h5")});
    // Of an absolute path HDF5 also looks for the last part beside the file.
    CHECK(references(folders, write, folders.at("secret/b.h5")) == std::vector{folders.at("data/b.h5"), folders.at("secret/b.h5")});
    CHECK(references(folders, write, folders.at("secret/only.h5")) == std::vector{folders.at("secret/only.h5")});
  }
}

TEST_CASE("a file that is a link, and links in the way, are looked through") {
  const Folders folders;
  folders.touch("secret/b.h5");
  fs::create_directory_symlink(folders.at("secret"), folders.at("data/way"));
  fs::create_symlink(folders.at("secret/b.h5"), folders.at("data/b.h5"));
  for (const Write write : kKinds) {
    CHECK(references(folders, write, "way/b.h5") == std::vector{folders.at("secret/b.h5")});
    // Under its own name: where it leads is for whoever looks at it.
    CHECK(references(folders, write, "b.h5") == std::vector{folders.at("data/b.h5")});
    write(folders.at("secret/master.h5"), "b.h5");
    fs::remove(folders.at("data/master.h5"));
    fs::create_symlink(folders.at("secret/master.h5"), folders.at("data/master.h5"));
    CHECK(hdf5_references(folders.at("data/master.h5")) == std::vector{folders.at("data/b.h5"), folders.at("secret/b.h5")});
  }
}

TEST_CASE("a name is looked for in the folders of the environment, of which some are lists") {
  const Folders folders;
  write_dataset(folders.at("secret/b.h5"), [](hid_t, hid_t, hid_t) {});
  write_dataset(folders.at("data/a.h5"), [](hid_t file, hid_t, hid_t) { REQUIRE(H5Lcreate_external("b.h5", "/deep/down/data", file, "link", H5P_DEFAULT, H5P_DEFAULT) >= 0); });
  const auto opens = [&] {
    const h5::Handle file(H5Fopen(folders.at("data/a.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    return h5::Handle(H5Oopen(file.id(), "link", H5P_DEFAULT), H5Oclose).ok();
  };
  CHECK(!opens());
  CHECK(hdf5_references(folders.at("data/a.h5")) == std::vector{folders.at("data/b.h5")});
  for (const std::string& value : {folders.at("secret"), folders.at("none") + ":" + folders.at("secret"), ":" + folders.at("secret") + ":"}) {
    CAPTURE(value);
    ::setenv("HDF5_EXT_PREFIX", value.c_str(), 1);
    CHECK(opens());
    CHECK(hdf5_references(folders.at("data/a.h5")) == std::vector{folders.at("secret/b.h5")});
  }
  ::unsetenv("HDF5_EXT_PREFIX");
}

TEST_CASE("a pattern over blocks refers to all that fit it") {
  const Folders folders;
  for (const char* name : {"data/b_0.h5", "data/b_17.h5", "data/b_x.h5", "data/c_1.h5", "secret/b_2.h5"}) folders.touch(name);
  CHECK(references(folders, write_blocks, "b_%b.h5") == std::vector{folders.at("data/b_0.h5"), folders.at("data/b_17.h5")});
  CHECK(references(folders, write_blocks, "../secret/b_%b.h5") == std::vector{folders.at("secret/b_0.h5"), folders.at("secret/b_2.h5")});
  CHECK_THROWS_AS(references(folders, write_blocks, "way_%b/b.h5"), Error);
  folders.touch("data/100%_3.h5");
  CHECK(references(folders, write_blocks, "100%%_%b.h5") == std::vector{folders.at("data/100%_0.h5"), folders.at("data/100%_3.h5")});
  // Made to be tried in every way.
  std::string many = "x";
  for (int n = 0; n < 60; ++n) many.insert(0, "%b");
  folders.touch("data/" + std::string(120, '7'));
  CHECK(references(folders, write_blocks, many) == std::vector{folders.at("data/" + std::string(60, '0') + "x")});
}

TEST_CASE("a file without references, of another format, or that is not there refers to nothing") {
  const Folders folders;
  write_dataset(folders.at("data/a.h5"), [](hid_t, hid_t, hid_t) {});
  folders.touch("data/a.imm");
  for (const char* name : {"data/a.h5", "data/a.imm", "data/none.h5", "data"}) CHECK(hdf5_references(folders.at(name)).empty());
  write_virtual(folders.at("data/a.h5"), ".");
  CHECK(hdf5_references(folders.at("data/a.h5")).empty());
}
