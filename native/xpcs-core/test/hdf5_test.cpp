// Frames in HDF5: types, chunks, truncation.
#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "h5/h5.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;

namespace {

/// A file name that is gone at the end of the test.
struct TemporaryFile {
  std::string path = (std::filesystem::temp_directory_path() / ("xpcs-core-test-" + std::to_string(::getpid()) + ".h5")).string();
  ~TemporaryFile() { std::remove(path.c_str()); }
};

template <class Word>
void write_frames(const std::string& path, hid_t type, const std::vector<Word>& words, std::uint64_t frames, std::uint64_t chunkFrames, bool gzip) {
  h5::initialize();
  const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const hsize_t shape[3] = {frames, 4, 5};
  const hsize_t chunk[3] = {chunkFrames, 4, 5};
  H5Pset_chunk(creation.id(), 3, chunk);
  if (gzip) H5Pset_deflate(creation.id(), 1);
  const h5::Handle space(H5Screate_simple(3, shape, nullptr), H5Sclose);
  const h5::Handle data(H5Dcreate2(file.id(), "/entry/data/data", type, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  H5Dwrite(data.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, words.data());
}

ReaderOptions small_detector() {
  ReaderOptions options;
  options.height = 4;
  options.width = 5;
  options.exactShape = true;
  return options;
}

template <class Word>
void round_trip(hid_t type, std::uint64_t chunkFrames, bool gzip) {
  TemporaryFile file;
  std::mt19937 random(4);
  const std::uint64_t frames = 23;
  std::vector<Word> words(frames * 20);
  for (auto& word : words) word = random() % 3 == 0 ? static_cast<Word>(random()) : Word{0};
  write_frames(file.path, type, words, frames, chunkFrames, gzip);
  const auto reader = open_hdf5(file.path, small_detector());
  reader->want(2, 20);
  std::vector<Word> got(words.size(), 0);
  FrameBatch batch;
  while (reader->next(batch)) {
    for (std::size_t i = 0; i < batch.frame.size(); ++i) got[batch.frame[i] * 20 + batch.pixel[i]] = static_cast<Word>(batch.count[i]);
  }
  std::fill(words.begin(), words.begin() + 40, Word{0});
  std::fill(words.begin() + 21 * 20, words.end(), Word{0});
  CHECK(got == words);
  CHECK(reader->frames() == frames);
}

std::string refusal(const std::string& path, const ReaderOptions& options = small_detector()) {
  try {
    const auto reader = open_hdf5(path, options);
    FrameBatch batch;
    while (reader->next(batch)) {
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("HDF5 frames of 8, 16 and 32 bits come back, whatever the chunks") {
  round_trip<std::uint8_t>(H5T_NATIVE_UINT8, 1, false);
  round_trip<std::uint16_t>(H5T_NATIVE_UINT16, 7, true);
  round_trip<std::uint32_t>(H5T_NATIVE_UINT32, 23, true);
}

TEST_CASE("HDF5 files that do not fit are refused with the reason") {
  TemporaryFile file;
  write_frames<std::int32_t>(file.path, H5T_NATIVE_INT32, std::vector<std::int32_t>(40, 1), 2, 1, false);
  CHECK(refusal(file.path).find("is not uint8, uint16 or uint32") != std::string::npos);
  write_frames<std::uint16_t>(file.path, H5T_NATIVE_UINT16, std::vector<std::uint16_t>(40, 1), 2, 1, false);
  ReaderOptions other = small_detector();
  other.height = 5;
  other.width = 4;
  CHECK(refusal(file.path, other).find("4 x 5") != std::string::npos);
  other.exactShape = false;  // legacy job files may exchange the dimensions
  CHECK(refusal(file.path, other).empty());
}

TEST_CASE("a truncated HDF5 file is refused, wherever it is cut") {
  TemporaryFile file;
  write_frames<std::uint16_t>(file.path, H5T_NATIVE_UINT16, std::vector<std::uint16_t>(2000, 3), 100, 10, true);
  std::ifstream in(file.path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t n = 0; n < whole.size(); n += 97) {
    std::ofstream(file.path, std::ios::binary | std::ios::trunc) << whole.substr(0, n);
    CHECK_FALSE(refusal(file.path).empty());
  }
}
