import java.io.InputStream;
import java.util.zip.ZipFile;
import org.tukaani.xz.XZInputStream;

/** Writes the tar inside the PostgreSQL jar (`jar > txz > tar`) to standard output. */
final class Unpack {
    public static void main(String[] arguments) throws Exception {
        try (ZipFile jar = new ZipFile(arguments[0])) {
            var archive = jar.stream().filter(entry -> entry.getName().endsWith(".txz")).findFirst().orElseThrow();
            try (InputStream tar = new XZInputStream(jar.getInputStream(archive))) {
                tar.transferTo(System.out);
                System.out.flush();
            }
        }
    }
}
