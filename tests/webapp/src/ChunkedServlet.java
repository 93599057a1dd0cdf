import jakarta.servlet.http.*;
import java.io.*;

/** /chunked?n=5&size=1000[&ms=0] sends n pieces of a body without a length, each flushed. */
public class ChunkedServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        int pieces = Texts.number(in.getParameter("n"), 5);
        int size = Texts.number(in.getParameter("size"), 1000);
        String type = in.getParameter("ct");
        out.setContentType(type == null ? "application/octet-stream" : type);
        byte[] piece = new byte[size];
        for (int i = 0; i < pieces; i++) {
            Texts.pattern(piece, (long) i * size);
            out.getOutputStream().write(piece);
            out.flushBuffer();
        }
    }
}
