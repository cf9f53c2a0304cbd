// HDF5 through its C library: handles that close themselves, and the few typed reads and writes that the readers and
// writers need. Every failure becomes an Error that names the file and the object. The library is not thread-safe in
// our use: one thread at a time holds files open.
#pragma once
#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "xpcs/error.hpp"

namespace xpcs::h5 {

/// Owns one HDF5 identifier.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle(hid_t id, Closer close) : id_(id), close_(close) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      close_ = other.close_;
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  [[nodiscard]] hid_t id() const noexcept { return id_; }
  [[nodiscard]] bool ok() const noexcept { return id_ >= 0; }
  void reset() noexcept {
    if (id_ >= 0) close_(id_);
    id_ = H5I_INVALID_HID;
  }

 private:
  hid_t id_;
  Closer close_;
};

/// Registers the LZF filter (pySimpleMask's maps use it) and silences HDF5's own error printing. Idempotent.
void initialize();

/// An open file, for reading or newly made.
class File {
 public:
  /// @throws not_found, corrupt_data (not an HDF5 file, truncated)
  static File open(const std::string& path);
  /// A file that may be being written, without a lock: one of ours could stop its writer. @param swmr its writer is in SWMR mode
  /// @throws not_found, corrupt_data
  static File follow(const std::string& path, bool swmr);
  /// Makes or truncates. @throws io_failed
  static File create(const std::string& path);
  /// An existing file, to change it. @throws io_failed
  static File update(const std::string& path);

  [[nodiscard]] hid_t id() const noexcept { return handle_.id(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] bool has(const std::string& object) const;

  /// Names of the members of a group; none where it is no group.
  [[nodiscard]] std::vector<std::string> names(const std::string& group) const;
  /// Extents of a dataset. @throws not_found
  [[nodiscard]] std::vector<hsize_t> shape(const std::string& dataset) const;
  /// A whole numeric dataset, converted. @throws not_found, corrupt_data
  [[nodiscard]] std::vector<double> doubles(const std::string& dataset) const;
  [[nodiscard]] std::vector<std::int32_t> integers(const std::string& dataset) const;
  [[nodiscard]] std::vector<std::int64_t> wholes(const std::string& dataset) const;
  /// The one number of a scalar or one-element dataset; nothing when the dataset is absent.
  [[nodiscard]] std::optional<double> number(const std::string& dataset) const;
  /// A scalar or one-element string; nothing when absent.
  [[nodiscard]] std::optional<std::string> text(const std::string& dataset) const;
  /// A string attribute of an object; nothing when absent.
  [[nodiscard]] std::optional<std::string> text_attribute(const std::string& object, const std::string& name) const;

  /// Writes a dataset, making the groups above it. `deflate`: shuffle + gzip in row chunks (last two extents).
  void write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const float> values, bool deflate = false);
  void write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const double> values, bool deflate = false);
  void write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const std::int64_t> values, bool deflate = false);
  void write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const std::int32_t> values, bool deflate = false);
  void write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const std::uint8_t> values, bool deflate = false);
  void write_text(const std::string& dataset, const std::string& value);
  void write_texts(const std::string& dataset, const std::vector<std::string>& values);
  /// Replaces an attribute of that name.
  void write_attribute(const std::string& object, const std::string& name, const std::string& value);
  /// Replaces the value of a floating-point dataset of one element.
  void overwrite_number(const std::string& dataset, double value);
  /// Sets single elements of a dataset of numbers or enumerations to 0, whatever their type. @throws not_found, io_failed
  void zero_elements(const std::string& dataset, std::span<const std::size_t> elements);
  void make_group(const std::string& group);
  /// Unlinks an object; its space is free for what is written before the file is closed. @throws io_failed
  void remove(const std::string& object);

  /// Copies an object with its attributes from another file. LZF-compressed datasets are rewritten with gzip, because
  /// few readers carry LZF.
  void copy_from(const File& source, const std::string& from, const std::string& to);
  void flush() const;

 private:
  static File open_by(const std::string& path, unsigned flags, hid_t access);
  File(Handle handle, std::string path) : handle_(std::move(handle)), path_(std::move(path)) {}
  [[nodiscard]] Handle dataset(const std::string& name) const;
  void write_raw(const std::string& dataset, const std::vector<hsize_t>& shape, hid_t fileType, hid_t memoryType, const void* values,
                 std::size_t count, bool deflate);

  Handle handle_;
  std::string path_;
};

}  // namespace xpcs::h5
