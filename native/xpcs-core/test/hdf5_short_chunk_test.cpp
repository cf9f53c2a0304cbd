// Chunks that their filters leave too short or too long, and words of either byte order, through every pipeline that is decoded here.
#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <random>

#include "h5/filters.hpp"
#include "h5/h5.hpp"
#include "sample_files.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;

namespace {

constexpr H5Z_filter_t kLz4 = 32004, kBitshuffle = 32008;
constexpr hsize_t kFrames = 3, kChunkFrames = 2;

struct ShortFile {
  std::string path = (std::filesystem::temp_directory_path() / ("xpcs-short-" + std::to_string(::getpid()) + ".h5")).string();
  ~ShortFile() { std::filesystem::remove(path); }
};

std::vector<std::uint8_t> deflated(const std::vector<std::uint8_t>& bytes) {
  uLongf n = compressBound(static_cast<uLong>(bytes.size()));
  std::vector<std::uint8_t> out(n);
  REQUIRE(compress(out.data(), &n, bytes.data(), static_cast<uLong>(bytes.size())) == Z_OK);
  out.resize(n);
  return out;
}

void put_big_endian(std::vector<std::uint8_t>& to, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

/// As the filter stores it: size, size of a block, and one block, not compressed.
std::vector<std::uint8_t> lz4_stored(const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> out;
  put_big_endian(out, bytes.size(), 8);
  put_big_endian(out, bytes.size(), 4);
  put_big_endian(out, bytes.size(), 4);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

/// Fletcher's sum as HDF5 stores it, from its definition.
std::vector<std::uint8_t> summed(std::vector<std::uint8_t> bytes) {
  std::uint64_t sum1 = 0, sum2 = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum1 = (sum1 + (bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0))) % 65535;
    sum2 = (sum2 + sum1) % 65535;
  }
  // Ones' complement sums that are not 0 before they are reduced end as 65535.
  if (sum1 == 0 && !bytes.empty()) sum1 = 65535;
  if (sum2 == 0 && !bytes.empty()) sum2 = 65535;
  const std::uint64_t sum = sum2 << 16 | sum1;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(sum >> (8 * i)));
  return bytes;
}

std::vector<std::uint8_t> shuffled(const std::vector<std::uint8_t>& bytes, std::size_t size) {
  std::vector<std::uint8_t> out(bytes);
  const std::size_t n = bytes.size() / size;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t b = 0; b < size; ++b) out[b * n + i] = bytes[i * size + b];
  }
  return out;
}

struct Step {
  H5Z_filter_t filter;
  std::vector<unsigned> values;
};

std::vector<std::uint8_t> stored(const std::vector<Step>& steps, std::vector<std::uint8_t> bytes) {
  for (const Step& step : steps) {
    if (step.filter == H5Z_FILTER_DEFLATE) bytes = deflated(bytes);
    else if (step.filter == H5Z_FILTER_SHUFFLE) bytes = shuffled(bytes, step.values[0]);
    else if (step.filter == H5Z_FILTER_FLETCHER32) bytes = summed(bytes);
    else if (step.filter == kLz4) bytes = lz4_stored(bytes);
  }
  return bytes;
}

/// Two chunks of two frames each of 4 x 5 pixels; each is stored as these bytes. @param mask of filters that were left out
void write_chunks(const std::string& path, hid_t type, const std::vector<Step>& steps, const std::vector<std::vector<std::uint8_t>>& chunks, std::uint32_t mask = 0) {
  h5::initialize();
  h5::register_chunk_filters();
  const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const hsize_t shape[3] = {kFrames, 4, 5}, chunk[3] = {kChunkFrames, 4, 5};
  H5Pset_chunk(creation.id(), 3, chunk);
  const std::uint32_t fill = 0x0102;
  H5Pset_fill_value(creation.id(), H5T_NATIVE_UINT32, &fill);
  for (const Step& step : steps) REQUIRE(H5Pset_filter(creation.id(), step.filter, H5Z_FLAG_OPTIONAL, step.values.size(), step.values.data()) >= 0);
  const h5::Handle space(H5Screate_simple(3, shape, nullptr), H5Sclose);
  const h5::Handle data(H5Dcreate2(file.id(), "/entry/data/data", type, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  REQUIRE(data.ok());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const hsize_t offset[3] = {i * kChunkFrames, 0, 0};
    if (!chunks[i].empty()) REQUIRE(H5Dwrite_chunk(data.id(), H5P_DEFAULT, mask, offset, chunks[i].size(), chunks[i].data()) >= 0);
  }
}

/// The counts, or what the reader says.
std::string read(const std::string& path, std::vector<std::uint32_t>& words) {
  words.assign(kFrames * 20, 0);
  try {
    const auto reader = open_hdf5(path, samples::small_detector());
    FrameBatch batch;
    while (reader->next(batch)) {
      for (std::size_t i = 0; i < batch.frame.size(); ++i) words[batch.frame[i] * 20 + batch.pixel[i]] = static_cast<std::uint32_t>(batch.count[i]);
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<std::vector<Step>> pipelines(unsigned size) {
  const Step gzip{H5Z_FILTER_DEFLATE, {4}}, shuffle{H5Z_FILTER_SHUFFLE, {size}}, sum{H5Z_FILTER_FLETCHER32, {}}, lz4{kLz4, {0}};
  return {{gzip}, {shuffle}, {sum}, {lz4}, {shuffle, gzip}, {gzip, sum}, {shuffle, gzip, sum}, {sum, gzip}, {shuffle, lz4}, {lz4, sum}, {gzip, gzip}};
}

std::vector<std::uint8_t> bytes_of(const std::vector<std::uint32_t>& words, std::size_t from, unsigned size, bool big) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = from; i < from + kChunkFrames * 20; ++i) {
    const std::uint32_t word = i < words.size() ? words[i] : 0;
    for (unsigned b = 0; b < size; ++b) out.push_back(static_cast<std::uint8_t>(word >> (8 * (big ? size - 1 - b : b))));
  }
  return out;
}

struct Type {
  hid_t id;
  unsigned size;
  bool big;
};

std::vector<Type> types() {
  h5::initialize();
  return {{H5T_STD_U8LE, 1, false}, {H5T_STD_U16LE, 2, false}, {H5T_STD_U32LE, 4, false}, {H5T_STD_U16BE, 2, true}, {H5T_STD_U32BE, 4, true}};
}

}  // namespace

TEST_CASE("words of either byte order come through every pipeline, also where a chunk is missing or its filters were left out") {
  const ShortFile file;
  std::mt19937 random(8);
  for (const Type& type : types()) {
    std::vector<std::uint32_t> words(kFrames * 20);
    for (auto& word : words) word = random() % 3 == 0 ? random() % (type.size == 1 ? 255 : type.size == 2 ? 65535 : 2147483647) : 0;
    const std::vector<std::vector<std::uint8_t>> chunks{bytes_of(words, 0, type.size, type.big), bytes_of(words, 40, type.size, type.big)};
    std::vector<std::uint32_t> got;
    for (const auto& steps : pipelines(type.size)) {
      write_chunks(file.path, type.id, steps, {stored(steps, chunks[0]), stored(steps, chunks[1])});
      CHECK(read(file.path, got) == "");
      CHECK(got == words);
      write_chunks(file.path, type.id, steps, chunks, (1U << steps.size()) - 1);
      CHECK(read(file.path, got) == "");
      CHECK(got == words);
      write_chunks(file.path, type.id, steps, {{}, stored(steps, chunks[1])});
      CHECK(read(file.path, got) == "");
      std::vector<std::uint32_t> expected(words);
      // A fill value that the type does not hold is its largest value, which is no reading.
      std::fill(expected.begin(), expected.begin() + 40, type.size == 1 ? 0U : 0x0102U);
      CHECK(got == expected);
    }
    write_chunks(file.path, type.id, {}, chunks);
    CHECK(read(file.path, got) == "");
    CHECK(got == words);
  }
}

TEST_CASE("a chunk that its filters leave too short or too long is refused, in either byte order and with every pipeline") {
  const ShortFile file;
  for (const Type& type : types()) {
    const std::vector<std::uint8_t> whole = bytes_of(std::vector<std::uint32_t>(kFrames * 20, 3), 0, type.size, type.big);
    for (const auto& steps : pipelines(type.size)) {
      for (const std::size_t n : {std::size_t{1}, std::size_t{8}, whole.size() / 2, whole.size() - 1, whole.size() + 1, whole.size() + 40}) {
        CAPTURE(n);
        std::vector<std::uint8_t> bytes(whole);
        bytes.resize(n, 1);
        std::vector<std::uint32_t> got;
        write_chunks(file.path, type.id, steps, {stored(steps, whole), stored(steps, bytes)});
        const std::string message = read(file.path, got);
        CAPTURE(message);
        CHECK(message.find("frames 3 to 3") != std::string::npos);
        CHECK(message.find("is damaged") != std::string::npos);
      }
      // Cut bytes of the stored chunk itself.
      const std::vector<std::uint8_t> sound = stored(steps, whole);
      for (std::size_t n = 1; n < sound.size(); n += 1 + n / 4) {
        std::vector<std::uint32_t> got;
        write_chunks(file.path, type.id, steps, {sound, {sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(n)}});
        CHECK(read(file.path, got) != "");
      }
    }
    for (const unsigned compressed : {0U, 2U}) {
      const std::vector<Step> steps{{kBitshuffle, {0, 4, type.size, 0, compressed}}};
      for (const std::size_t n : {std::size_t{1}, std::size_t{11}, std::size_t{20}, whole.size() - 1}) {
        std::vector<std::uint32_t> got;
        write_chunks(file.path, type.id, steps, {std::vector<std::uint8_t>(n, 0)});
        CHECK(read(file.path, got) != "");
      }
    }
  }
}

TEST_CASE("bitshuffle with a compression that is none of the known ones is refused with its number") {
  const ShortFile file;
  for (const auto& [compression, name] : {std::pair{1U, "compression 1"}, {3U, "Zstandard"}, {77U, "compression 77"}}) {
    const std::vector<Step> steps{{H5Z_FILTER_SHUFFLE, {2}}, {kBitshuffle, {0, 4, 2, 0, compression}}};
    write_chunks(file.path, H5T_STD_U16LE, steps, {std::vector<std::uint8_t>(2, 1)});
    std::vector<std::uint32_t> got;
    CHECK(read(file.path, got).find(std::string("filter 32008 (bitshuffle with ") + name + ")") != std::string::npos);
  }
}

TEST_CASE("a shuffle of elements larger than the chunk leaves it as it is") {
  const ShortFile file;
  const std::vector<std::uint32_t> words(kFrames * 20, 9);
  // HDF5 itself sets the size of the first shuffle, and leaves that of a second one.
  const Step first{H5Z_FILTER_SHUFFLE, {2}}, second{H5Z_FILTER_SHUFFLE, {4294967295}};
  write_chunks(file.path, H5T_STD_U16LE, {first, second}, {stored({first}, bytes_of(words, 0, 2, false)), stored({first}, bytes_of(words, 40, 2, false))});
  std::vector<std::uint32_t> got;
  CHECK(read(file.path, got) == "");
  CHECK(got == words);
}

TEST_CASE("chunks too large to be taken whole come slab by slab; one that is too short is refused") {
  const ShortFile file;
  constexpr hsize_t kLong = 14'000'000, kMany = 40;  // frames of a chunk: of all pixels more than 256 MiB
  constexpr std::array<hsize_t, 3> kWritten{0, 8, 19};  // pixels
  std::mt19937 random(9);
  std::vector<std::uint32_t> words(kMany * 20, 0);
  for (auto& word : words) word = random() % 60000;
  for (const bool cut : {false, true}) {
    {
      h5::initialize();
      const h5::Handle made(H5Fcreate(file.path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
      const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
      H5Pset_create_intermediate_group(links.id(), 1);
      const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
      const hsize_t shape[3] = {kMany, 4, 5}, most[3] = {H5S_UNLIMITED, 4, 5}, chunk[3] = {kLong, 1, 1};
      H5Pset_chunk(creation.id(), 3, chunk);
      H5Pset_deflate(creation.id(), 1);
      const h5::Handle space(H5Screate_simple(3, shape, most), H5Sclose);
      const h5::Handle data(H5Dcreate2(made.id(), "/entry/data/data", H5T_STD_U16BE, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
      for (const hsize_t pixel : kWritten) {
        std::vector<std::uint8_t> bytes(kLong * 2 - (cut && pixel == kWritten.back() ? 1 : 0), 0);
        for (std::size_t i = 0; i < kMany; ++i) {
          bytes[2 * i] = static_cast<std::uint8_t>(words[i * 20 + pixel] >> 8);
          bytes[2 * i + 1] = static_cast<std::uint8_t>(words[i * 20 + pixel]);
        }
        const std::vector<std::uint8_t> packed = deflated(bytes);
        const hsize_t offset[3] = {0, pixel / 5, pixel % 5};
        REQUIRE(H5Dwrite_chunk(data.id(), H5P_DEFAULT, 0, offset, packed.size(), packed.data()) >= 0);
      }
    }
    const auto reader = open_hdf5(file.path, samples::small_detector());
    FrameBatch batch;
    if (cut) {
      CHECK_THROWS_WITH_AS(reader->next(batch), doctest::Contains("is damaged: it decodes to"), Error);
      continue;
    }
    std::vector<std::uint32_t> got(words.size(), 0);
    for (const auto& [first, last] : {std::pair{30U, 39U}, {0U, 11U}, {12U, 29U}}) {
      reader->want(first, last);
      while (reader->next(batch)) {
        for (std::size_t i = 0; i < batch.frame.size(); ++i) got[batch.frame[i] * 20 + batch.pixel[i]] = static_cast<std::uint32_t>(batch.count[i]);
      }
    }
    std::vector<std::uint32_t> expected(words.size(), 0);
    for (std::size_t i = 0; i < expected.size(); ++i) if (std::find(kWritten.begin(), kWritten.end(), i % 20) != kWritten.end()) expected[i] = words[i];
    CHECK(got == expected);
    CHECK(reader->warnings() == std::vector<std::string>{"17 chunks of " + file.path + " were never written; their pixels hold the fill value of the dataset"});
  }
}
