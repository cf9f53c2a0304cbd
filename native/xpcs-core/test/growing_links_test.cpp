// A growing HDF5 file whose frames seem to lie elsewhere: no other file is opened, and the answer tells nothing of it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "sample_files.hpp"
#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;
using namespace xpcs::samples;

namespace {

std::string at(const char* name) { return (std::filesystem::temp_directory_path() / ("xpcs_links_" + std::to_string(::getpid()) + name)).string(); }

}  // namespace

TEST_CASE("links of a growing HDF5 file to other files are not followed, whether these are there or not") {
  const std::string path = at(".h5");
  const std::string target = at("_target.h5");
  const std::vector<std::uint16_t> words(60, 3);
  Hdf5Sample sample;
  sample.shape[0] = 3;
  const auto write_target = [&] {
    sample.path = target;
    write_hdf5(sample, words.data());
  };
  const auto answer = [&](bool ended) -> std::string {
    ReaderOptions options = small_detector();
    options.growing = true;
    const auto reader = open_growing_hdf5(path, options);
    try {
      reader->look(ended);
      reader->want(0, ~std::uint64_t{0});
      FrameBatch batch;
      while (reader->next(batch)) continue;
    } catch (const Error& error) {
      return std::string(code_name(error.code())) + ": " + error.what();
    }
    return std::to_string(reader->frames()) + " frames";
  };
  const char* name = target.c_str();
  const auto virtual_dataset = [&](hid_t file, hid_t links) {
    const hsize_t shape[3] = {3, 4, 5};
    const hid_t space = H5Screate_simple(3, shape, nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(creation, space, name, "/entry/data/data", space);
    H5Dclose(H5Dcreate2(file, "/entry/data/data", H5T_STD_U16LE, space, links, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
  };
  const std::vector<std::function<void(hid_t, hid_t)>> ways{
      [&](hid_t file, hid_t links) { H5Lcreate_external(name, "/entry/data/data", file, "/entry/data/data", links, H5P_DEFAULT); },
      [&](hid_t file, hid_t links) { H5Lcreate_external(name, "/entry/data", file, "/entry/data", links, H5P_DEFAULT); },
      [&](hid_t file, hid_t links) { H5Lcreate_external(name, "/entry", file, "/entry", links, H5P_DEFAULT); },
      [&](hid_t file, hid_t links) { H5Lcreate_external(name, "/entry/data/data", file, "/entry/data/data_000001", links, H5P_DEFAULT); },
      [&](hid_t file, hid_t links) {
        H5Lcreate_external(name, "/entry/data/data", file, "/elsewhere", links, H5P_DEFAULT);
        H5Lcreate_soft("/elsewhere", file, "/entry/data/data", links, H5P_DEFAULT);
      },
      [&](hid_t file, hid_t links) {
        H5Lcreate_external(name, "/", file, "/elsewhere", links, H5P_DEFAULT);
        H5Lcreate_soft("/elsewhere/entry", file, "/entry", links, H5P_DEFAULT);
      },
      virtual_dataset,
  };
  for (std::size_t i = 0; i < ways.size(); ++i) {
    CAPTURE(i);
    std::filesystem::remove(path);
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    ways[i](file, links);
    H5Pclose(links);
    H5Fclose(file);
    for (const bool ended : {false, true}) {
      write_target();
      const std::string there = answer(ended);
      std::filesystem::remove(target);
      CHECK(there.find("UNSUPPORTED") == 0);
      CHECK(there.find("frames in other files") != std::string::npos);
      CHECK(answer(ended) == there);
    }
  }
  // Within the file they are.
  std::filesystem::remove(path);
  sample.path = path;
  sample.dataset = "/frames";
  write_hdf5(sample, words.data());
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Lcreate_soft("/frames", file, "/entry/data/data", links, H5P_DEFAULT);
  H5Pclose(links);
  H5Fclose(file);
  CHECK(answer(true) == "3 frames");
  std::filesystem::remove(path);
}
