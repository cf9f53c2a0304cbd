// Frames in HDF5: types, chunks, truncation.
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>

#include <filesystem>
#include <fstream>
#include <random>

#include "formats/hdf5_files.hpp"
#include "frame_pipeline.hpp"
#include "h5/h5.hpp"
#include "sample_files.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;
using samples::Filter;
using samples::Hdf5Sample;
using samples::write_hdf5;

namespace {

/// A folder that is gone at the end of the test.
struct TemporaryFolder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("xpcs-core-test-" + std::to_string(::getpid()));
  TemporaryFolder() { std::filesystem::create_directory(path); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name = "a.h5") const { return (path / name).string(); }
};

ReaderOptions exact_detector() {
  ReaderOptions options = samples::small_detector();
  options.exactShape = true;
  return options;
}

template <class Word>
std::vector<Word> random_words(std::uint64_t frames, unsigned seed = 4) {
  std::mt19937 random(seed);
  std::vector<Word> words(frames * 20);
  for (auto& word : words) word = random() % 3 == 0 ? static_cast<Word>(random() % std::numeric_limits<Word>::max()) : Word{0};
  return words;
}

struct Frames {
  std::vector<std::uint32_t> words;  ///< [frames, 20]
  std::vector<std::uint32_t> order;  ///< frames in the order in which they came
  std::uint64_t marked = 0;
  std::vector<std::string> warnings;
};

struct DecodedPiece : FetchedPiece {
  FrameBatch batch;
};

Frames read_frames(FrameReader& reader, unsigned threads = 1) {
  Frames got;
  got.words.assign(reader.frames() * 20, 0);
  const auto decode = [](DecodedPiece& piece) {
    piece.stored->decode(piece.batch);
  };
  const auto take = [&](const DecodedPiece& piece) {
    const FrameBatch& batch = piece.batch;
    for (std::size_t i = 0; i < batch.frame.size(); ++i) got.words[batch.frame[i] * 20 + batch.pixel[i]] = static_cast<std::uint32_t>(batch.count[i]);
    got.order.insert(got.order.end(), batch.frame.begin(), batch.frame.end());
    got.marked += batch.markedFrame.size();
  };
  run_pipeline<DecodedPiece>(reader, threads, decode, take);
  got.warnings = reader.warnings();
  return got;
}

Frames read_file(const std::string& path, unsigned threads = 1) { return read_frames(*open_hdf5(path, exact_detector()), threads); }

template <class Word>
std::vector<std::uint32_t> wide(const std::vector<Word>& words) {
  return {words.begin(), words.end()};
}

template <class Word>
void round_trip(hid_t type, std::initializer_list<hsize_t> chunk, Filter filter, unsigned threads) {
  const TemporaryFolder folder;
  const std::uint64_t frames = 23;
  auto words = wide(random_words<Word>(frames));
  Hdf5Sample sample{folder.file()};
  sample.type = type;
  sample.wordBytes = sizeof(Word);
  sample.shape[0] = frames;
  std::copy(chunk.begin(), chunk.end(), sample.chunk);
  sample.filter = filter;
  write_hdf5(sample, random_words<Word>(frames).data());
  const auto reader = open_hdf5(folder.file(), exact_detector());
  reader->want(2, 20);
  const Frames got = read_frames(*reader, threads);
  std::fill(words.begin(), words.begin() + 40, 0);
  std::fill(words.begin() + 21 * 20, words.end(), 0);
  CHECK(got.words == words);
  CHECK(std::is_sorted(got.order.begin(), got.order.end()));
  CHECK(reader->frames() == frames);
}

std::string refusal(const std::string& path, const ReaderOptions& options = exact_detector()) {
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

void link_external(const std::string& master, const std::string& name, const std::string& file, const std::string& object) {
  h5::initialize();
  const bool there = std::filesystem::exists(master);
  const h5::Handle handle(there ? H5Fopen(master.c_str(), H5F_ACC_RDWR, H5P_DEFAULT) : H5Fcreate(master.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  REQUIRE(H5Lcreate_external(file.c_str(), object.c_str(), handle.id(), name.c_str(), links.id(), H5P_DEFAULT) >= 0);
}

/// A virtual dataset of frames 0-6 from a.h5 and 7-9 from frames 2-4 of b.h5; `split`: b's columns come in two mappings.
void write_virtual(const TemporaryFolder& folder, bool split) {
  const h5::Handle file(H5Fcreate(folder.file("v.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const hsize_t shape[3] = {10, 4, 5};
  const h5::Handle space(H5Screate_simple(3, shape, nullptr), H5Sclose);
  const auto map = [&](const char* source, hsize_t sourceFrames, hsize_t from, hsize_t to, hsize_t n, hsize_t column, hsize_t columns) {
    const hsize_t sourceShape[3] = {sourceFrames, 4, 5};
    const hsize_t count[3] = {n, 4, columns};
    const hsize_t sourceStart[3] = {from, 0, column};
    const hsize_t start[3] = {to, 0, column};
    const h5::Handle sourceSpace(H5Screate_simple(3, sourceShape, nullptr), H5Sclose);
    H5Sselect_hyperslab(sourceSpace.id(), H5S_SELECT_SET, sourceStart, nullptr, count, nullptr);
    H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start, nullptr, count, nullptr);
    REQUIRE(H5Pset_virtual(creation.id(), space.id(), source, "/entry/data/data", sourceSpace.id()) >= 0);
  };
  map("a.h5", 7, 0, 0, 7, 0, 5);
  map("b.h5", 5, 2, 7, 3, 0, split ? 2 : 5);
  if (split) map("b.h5", 5, 2, 7, 3, 2, 3);
  H5Sselect_all(space.id());
  const h5::Handle data(H5Dcreate2(file.id(), "/entry/data/data", H5T_NATIVE_UINT16, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  REQUIRE(data.ok());
}

}  // namespace

TEST_CASE("HDF5 frames come back from any chunking, filter, word size and number of threads") {
  for (const unsigned threads : {1U, 3U}) {
    for (const Filter filter : {Filter::none, Filter::gzip, Filter::shuffle_gzip, Filter::fletcher, Filter::lz4, Filter::bitshuffle, Filter::bitshuffle_lz4}) {
      CAPTURE(static_cast<int>(filter));
      for (const std::initializer_list<hsize_t> chunk : {std::initializer_list<hsize_t>{1, 4, 5}, {7, 4, 5}, {1, 3, 2}, {5, 2, 5}, {6, 4, 4}, {23, 4, 5}}) {
        round_trip<std::uint8_t>(H5T_NATIVE_UINT8, chunk, filter, threads);
        round_trip<std::uint16_t>(H5T_NATIVE_UINT16, chunk, filter, threads);
        round_trip<std::uint32_t>(H5T_NATIVE_UINT32, chunk, filter, threads);
      }
    }
    round_trip<std::uint16_t>(H5T_NATIVE_UINT16, {0, 0, 0}, Filter::none, threads);  // contiguous
    round_trip<std::uint16_t>(H5T_STD_U16BE, {0, 0, 0}, Filter::none, threads == 1 ? 1 : 2);
  }
}

TEST_CASE("the largest value of the type is no reading: it is left out and counted") {
  const TemporaryFolder folder;
  std::vector<std::uint16_t> words(60, 0);
  words[3] = words[23] = 65535;
  words[24] = 65534;
  Hdf5Sample sample{folder.file()};
  sample.shape[0] = 3;
  sample.filter = Filter::bitshuffle_lz4;
  write_hdf5(sample, words.data());
  const Frames got = read_file(folder.file());
  CHECK(got.marked == 2);
  words[3] = words[23] = 0;
  CHECK(got.words == wide(words));
}

namespace {

/// The whole frames of a crowded file as words [frames, 20], and how many readings are marked.
template <class Word>
void whole_frames(hid_t type, std::initializer_list<hsize_t> chunk, Filter filter, unsigned threads) {
  const TemporaryFolder folder;
  std::mt19937 random(9);
  std::vector<Word> words(23 * 20);
  for (auto& word : words) word = static_cast<Word>(random() % std::numeric_limits<Word>::max());
  words[3 * 20 + 4] = words[22 * 20] = std::numeric_limits<Word>::max();
  Hdf5Sample sample{folder.file()};
  sample.type = type;
  sample.wordBytes = sizeof(Word);
  sample.shape[0] = 23;
  std::copy(chunk.begin(), chunk.end(), sample.chunk);
  sample.filter = filter;
  write_hdf5(sample, words.data());
  ReaderOptions options = exact_detector();
  options.threads = threads;
  const auto reader = open_hdf5(folder.file(), options);
  reader->want(2, 22);
  REQUIRE(reader->crowded());
  std::vector<std::uint32_t> got;
  std::vector<std::uint32_t> markedFrames, markedPixels;
  FrameBatch headers;
  std::vector<std::uint16_t> rows;
  while (reader->next_dense(headers, rows)) {
    CHECK(headers.headerStart == 2 + got.size() / 20);
    got.insert(got.end(), rows.begin(), rows.end());
    markedFrames.insert(markedFrames.end(), headers.markedFrame.begin(), headers.markedFrame.end());
    markedPixels.insert(markedPixels.end(), headers.markedPixel.begin(), headers.markedPixel.end());
  }
  words[3 * 20 + 4] = words[22 * 20] = 0;
  CHECK(got == std::vector<std::uint32_t>(words.begin() + 40, words.end()));
  CHECK(markedFrames == std::vector<std::uint32_t>{3, 22});
  CHECK(markedPixels == std::vector<std::uint32_t>{4, 0});
}

}  // namespace

TEST_CASE("where most pixels have counts, HDF5 gives whole frames, from any chunking and filter") {
  for (const unsigned threads : {1U, 3U}) {
    for (const Filter filter : {Filter::none, Filter::gzip, Filter::bitshuffle_lz4}) {
      for (const std::initializer_list<hsize_t> chunk : {std::initializer_list<hsize_t>{1, 4, 5}, {7, 4, 5}, {5, 2, 5}, {23, 4, 5}}) {
        whole_frames<std::uint8_t>(H5T_NATIVE_UINT8, chunk, filter, threads);
        whole_frames<std::uint16_t>(H5T_NATIVE_UINT16, chunk, filter, threads);
      }
    }
  }
  const TemporaryFolder folder;
  std::vector<std::uint32_t> words(40, 5);
  Hdf5Sample sample{folder.file()};
  sample.type = H5T_NATIVE_UINT32;
  sample.wordBytes = 4;
  sample.shape[0] = 2;
  write_hdf5(sample, words.data());
  CHECK_FALSE(open_hdf5(folder.file(), exact_detector())->crowded());  // 32 bits do not fit
}

TEST_CASE("chunks that were never written hold the fill value, with a warning") {
  const TemporaryFolder folder;
  auto words = random_words<std::uint16_t>(12);
  Hdf5Sample sample{folder.file()};
  sample.shape[0] = 12;
  sample.chunk[0] = 4;
  sample.leaveOut = {4};
  sample.fill = 7;
  write_hdf5(sample, words.data());
  const Frames got = read_file(folder.file(), 2);
  std::fill(words.begin() + 80, words.begin() + 160, std::uint16_t{7});
  CHECK(got.words == wide(words));
  REQUIRE(got.warnings.size() == 1);
  CHECK(got.warnings[0].find("1 chunks") != std::string::npos);
}

TEST_CASE("an Eiger master's data files are read one after the other; a missing one is named") {
  const TemporaryFolder folder;
  const auto words = random_words<std::uint32_t>(12);
  for (int i = 0; i < 2; ++i) {
    Hdf5Sample sample{folder.file("scan_data_00000" + std::to_string(i + 1) + ".h5")};
    sample.type = H5T_NATIVE_UINT32;
    sample.wordBytes = 4;
    sample.shape[0] = i == 0 ? 7 : 5;
    sample.filter = Filter::bitshuffle_lz4;
    write_hdf5(sample, words.data() + (i == 0 ? 0 : 140));
    link_external(folder.file("scan_master.h5"), "/entry/data/data_00000" + std::to_string(i + 1), "scan_data_00000" + std::to_string(i + 1) + ".h5", "/entry/data/data");
  }
  CHECK(read_file(folder.file("scan_master.h5"), 2).words == wide(words));
  CHECK(hdf5_files(folder.file("scan_master.h5")) ==
        std::vector<std::string>{folder.file("scan_master.h5"), folder.file("scan_data_000001.h5"), folder.file("scan_data_000002.h5")});
  {
    const auto reader = open_hdf5(folder.file("scan_master.h5"), exact_detector());
    reader->want(9, 9);
    CHECK(read_frames(*reader).order.front() == 9);
  }
  link_external(folder.file("scan_master.h5"), "/entry/data/data_000004", "scan_data_000004.h5", "/entry/data/data");
  CHECK(refusal(folder.file("scan_master.h5")).find("data_000003") != std::string::npos);
  std::filesystem::remove(folder.file("scan_data_000002.h5"));
  CHECK(refusal(folder.file("scan_master.h5")).find("scan_data_000002.h5") != std::string::npos);
}

TEST_CASE("virtual datasets: whole frames become their sources, others are put together by HDF5; a missing source is named") {
  for (const bool split : {false, true}) {
    const TemporaryFolder folder;
    const auto words = random_words<std::uint16_t>(12);
    Hdf5Sample a{folder.file("a.h5")};
    a.shape[0] = 7;
    a.filter = Filter::bitshuffle_lz4;
    write_hdf5(a, words.data());
    Hdf5Sample b{folder.file("b.h5")};
    b.shape[0] = 5;
    b.chunk[0] = 3;
    b.filter = Filter::lz4;
    write_hdf5(b, words.data() + 140);
    write_virtual(folder, split);
    auto expected = wide(words);
    expected.erase(expected.begin() + 140, expected.begin() + 180);
    CHECK(read_file(folder.file("v.h5"), 2).words == expected);
    CHECK(hdf5_files(folder.file("v.h5")) == std::vector<std::string>{folder.file("v.h5"), folder.file("a.h5"), folder.file("b.h5")});
    // A second virtual dataset over the first leads to the same files.
    link_external(folder.file("w.h5"), "/entry/data/data_000001", "v.h5", "/entry/data/data");
    CHECK(hdf5_files(folder.file("w.h5")).size() == 4);
    CHECK(hdf5_files(folder.file("a.h5")) == std::vector<std::string>{folder.file("a.h5")});
    std::filesystem::remove(folder.file("b.h5"));
    CHECK(refusal(folder.file("v.h5")).find("b.h5") != std::string::npos);
    CHECK_THROWS_AS(hdf5_files(folder.file("v.h5")), Error);
  }
}

TEST_CASE("HDF5 files that do not fit are refused with the reason") {
  const TemporaryFolder folder;
  Hdf5Sample sample{folder.file()};
  sample.type = H5T_NATIVE_INT32;
  sample.wordBytes = 4;
  sample.shape[0] = 2;
  write_hdf5(sample, std::vector<std::int32_t>(40, 1).data());
  CHECK(refusal(folder.file()).find("is not uint8, uint16 or uint32") != std::string::npos);
  Hdf5Sample good{folder.file("b.h5")};
  good.shape[0] = 2;
  write_hdf5(good, std::vector<std::uint16_t>(40, 1).data());
  ReaderOptions other = exact_detector();
  other.height = 5;
  other.width = 4;
  CHECK(refusal(folder.file("b.h5"), other).find("4 x 5") != std::string::npos);
  other.exactShape = false;  // legacy job files may exchange the dimensions
  CHECK(refusal(folder.file("b.h5"), other).empty());
}

TEST_CASE("a truncated HDF5 file is refused, wherever it is cut") {
  const TemporaryFolder folder;
  Hdf5Sample sample{folder.file()};
  sample.shape[0] = 100;
  sample.chunk[0] = 10;
  sample.filter = Filter::gzip;
  write_hdf5(sample, std::vector<std::uint16_t>(2000, 3).data());
  std::ifstream in(folder.file(), std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t n = 0; n < whole.size(); n += 97) {
    std::ofstream(folder.file(), std::ios::binary | std::ios::trunc) << whole.substr(0, n);
    CHECK_FALSE(refusal(folder.file()).empty());
  }
}

TEST_CASE("a damaged chunk is named with its frames and its byte in the file") {
  for (const Filter filter : {Filter::gzip, Filter::fletcher, Filter::lz4, Filter::bitshuffle_lz4}) {
    const TemporaryFolder folder;
    Hdf5Sample sample{folder.file()};
    sample.shape[0] = 30;
    sample.chunk[0] = 10;
    sample.filter = filter;
    write_hdf5(sample, std::vector<std::uint16_t>(600, 259).data());
    haddr_t at = 0;
    hsize_t bytes = 0;
    {
      const h5::File file = h5::File::open(folder.file());
      const h5::Handle data(H5Dopen2(file.id(), "/entry/data/data", H5P_DEFAULT), H5Dclose);
      const hsize_t offset[3] = {20, 0, 0};
      unsigned mask = 0;
      REQUIRE(H5Dget_chunk_info_by_coord(data.id(), offset, &mask, &at, &bytes) >= 0);
    }
    std::fstream file(folder.file(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at + 13));
    file.write("\xFF\x77", 2);
    file.close();
    const std::string message = refusal(folder.file(), exact_detector());
    CAPTURE(message);
    CHECK(message.find("frames 21 to 30") != std::string::npos);
    CHECK(message.find("byte " + std::to_string(at) + " of the file") != std::string::npos);
  }
}

TEST_CASE("a chunk without filters that announces more bytes than it has gives those that it has") {
  const TemporaryFolder folder;
  Hdf5Sample sample;
  sample.path = folder.file();
  sample.leaveOut = {0};
  std::vector<std::uint16_t> stored = random_words<std::uint16_t>(1000);
  write_hdf5(sample, stored.data());
  {
    const h5::Handle file(H5Fopen(sample.path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    const h5::Handle data(H5Dopen2(file.id(), sample.dataset.c_str(), H5P_DEFAULT), H5Dclose);
    const hsize_t offset[3] = {0, 0, 0};
    REQUIRE(H5Dwrite_chunk(data.id(), H5P_DEFAULT, 0, offset, 2 * stored.size(), stored.data()) >= 0);
  }
  for (const bool isGrowing : {false, true}) {
    const auto reader = isGrowing ? open_growing_hdf5(sample.path, exact_detector()) : open_hdf5(sample.path, exact_detector());
    reader->look(true);
    FrameBatch batch;
    REQUIRE(reader->next(batch));
    std::vector<std::uint16_t> got(20, 0);
    for (std::size_t i = 0; i < batch.pixel.size(); ++i) got[batch.pixel[i]] = static_cast<std::uint16_t>(batch.count[i]);
    CHECK(got == std::vector<std::uint16_t>(stored.begin(), stored.begin() + 20));
  }
}
